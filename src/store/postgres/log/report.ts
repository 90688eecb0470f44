/** A report of progress: who may make it, what of it is made, and what is kept. */
import type { ProgressReply } from "../../../contract/replies.ts";
import type { ProgressDelta } from "../../../session/command.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { PreparedReport } from "../../../session/working/working-session.ts";
import { admitReport, admitReportInSlices, type Reporter } from "../../admit-report.ts";
import { type EncodedReport, encodeReport, jsonOf } from "../../document/encode-report.ts";
import { assertMayReport } from "../../lease-rules.ts";
import type { ProgressOptions } from "../../session-store.ts";
import type { Appended, Log, SessionCopy, WritableCopy } from "./log.ts";

/** A report of more items is applied in slices: a name takes up to half a microsecond. */
const manyItems = 20_000;

/**
 * Resolves when the report is durable. Reports are made in the order of the calls, however long each is.
 *
 * @throws SessiondError `lease_held`, `lease_lost`, `not_claimed`, `invalid_request`, `payload_too_large` …
 */
export function report(
  log: Log,
  id: SessionId,
  delta: ProgressDelta,
  { epoch, json }: ProgressOptions,
): Promise<ProgressReply> {
  // Not an async function: that would cost a promise for every report.
  try {
    const encoded = encodeReport(delta, json);
    if (encoded instanceof Promise) return appendLarge(log, id, encoded, epoch);
    if (encoded.items > manyItems) return appendLarge(log, id, Promise.resolve(encoded), epoch);
    return log.append(id, (copy) => make(copy, encoded, epoch), { growth: encoded.growth });
  } catch (error) {
    return Promise.reject(error);
  }
}

/** In slices; `make` only lets everybody see the outcome. */
function appendLarge(
  log: Log,
  id: SessionId,
  encoding: Promise<EncodedReport>,
  epoch: number | undefined,
): Promise<ProgressReply> {
  let refusal: { error: unknown } | undefined;
  let ready: { delta: ProgressDelta; json: Buffer; prepared: PreparedReport } | undefined;
  // A failure is for `prepare` to find.
  encoding.catch(() => {});
  const options = {
    prepare: async (copy: SessionCopy) => {
      [refusal, ready] = [undefined, undefined];
      const { delta, payload, growth } = await encoding;
      try {
        const reporter = reporterOf(copy, epoch);
        const admitted = reporter === undefined ? delta : await admitReportInSlices(reporter, delta);
        const json = admitted === delta ? payload : (await encodeReport(admitted)).payload;
        ready = { delta: admitted, json, prepared: await copy.working.prepare(admitted) };
      } catch (error) {
        // Whether it stands is not known before the copy was looked at.
        refusal = { error };
      }
      return growth;
    },
  };
  const made = (copy: WritableCopy) => {
    if (ready === undefined) throw refusal?.error;
    return applied(copy, ready.delta, ready.json, ready.prepared);
  };
  return log.append(id, made, options);
}

function make(copy: WritableCopy, { delta, payload }: EncodedReport, epoch: number | undefined) {
  const reporter = reporterOf(copy, epoch);
  const admitted = reporter === undefined ? delta : admitReport(reporter, delta);
  return applied(copy, admitted, admitted === delta ? payload : jsonOf(admitted));
}

/**
 * Undefined if the report need not be about claimed files.
 *
 * @throws SessiondError `lease_held`, `lease_lost`
 */
function reporterOf(
  { id, claimed, working, leases }: SessionCopy,
  epoch: number | undefined,
): Reporter | undefined {
  const held = assertMayReport(id, leases, epoch);
  if (held === undefined || !held.lease.shared) return undefined;
  return { id, claimed, lease: held.id, files: () => working.files };
}

function applied(
  { working, claimed, next }: WritableCopy,
  delta: ProgressDelta,
  json: Buffer,
  prepared?: PreparedReport,
): Appended<ProgressReply> {
  working.report(delta, next.revision, next.time, prepared);
  claimed.reported(delta);
  return {
    records: [{ kind: "r", json }],
    value: {
      status: working.status,
      revision: working.revision,
      processed_count: working.processedCount,
      pending_count: working.pendingCount,
    },
  };
}
