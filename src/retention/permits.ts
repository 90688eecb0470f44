/** Whether a pass may remove something now, or waits: because of a limit, or because the clock was set. */
import type { HealthProblem, JobName, ScheduleEntry } from "../contract/replies.ts";
import { SessiondError } from "../error.ts";
import type { Logger } from "../log.ts";
import type { Records } from "../store/session-store.ts";
import type { BootTime } from "../time/boot-time.ts";
import { type Clock, formatTimestamp } from "../time/clock.ts";
import { Approvals, type HeldPlan } from "./approvals.ts";
import { ClockGuard } from "./clock-guard.ts";
import { boundTo, type ClockJump, describeJump, warnedOf, whyWaiting } from "./clock-jump.ts";
import { waitingProblem } from "./health.ts";
import { type Limits, overLimit } from "./limits.ts";
import type { Trigger } from "./pass.ts";
import type { Plan } from "./policy.ts";
import type { CleanupRequest } from "./request.ts";

export interface PermitsOptions {
  records: Records;
  clock: Clock;
  bootTime: BootTime;
  logger: Logger;
}

/** The plan that a pass carries out, or why it must wait. */
export interface Permit {
  plan: Plan;
  trigger: Trigger;
  dryRun: boolean;
  hold: string | undefined;
}

export class Permits {
  readonly #options: PermitsOptions;
  readonly #approvals: Approvals;
  readonly #clockGuard: ClockGuard;

  constructor(options: PermitsOptions) {
    this.#options = options;
    this.#approvals = new Approvals(options.records);
    this.#clockGuard = new ClockGuard(options);
  }

  /** Reads the clocks. A plan that was made under another jump of the clock, or before it, is dropped. */
  async look(): Promise<void> {
    await this.#approvals.load();
    await this.#clockGuard.look();
    await this.drop(
      (held) => held.clock_set_by_ms !== (this.#clockGuard.jump(held.policy)?.byMs ?? null),
      "cannot delete a waiting plan of before the clock was set",
    );
  }

  /**
   * Chooses the plan that is carried out, and says why it must wait, if it must. An approval counts from here
   * on: it is durable before the first removal, so that it is good for one pass only. `narrow` leaves of a
   * waiting plan what has not changed.
   *
   * @throws SessiondError `approval_required` if the approved plan does not exist
   */
  async permit(
    { trigger, dryRun = false, approve }: Pick<CleanupRequest, "trigger" | "dryRun" | "approve">,
    planned: Plan,
    limits: Limits,
    narrow: (held: HeldPlan, fresh: Plan) => Plan | Promise<Plan>,
  ): Promise<Permit> {
    // After the plan has read the clock: a clock that was set in between is noticed.
    await this.look();
    const job = planned.policy.name;
    const jump = this.#clockGuard.jump(job);
    const fresh = boundTo(jump, planned);
    if (approve !== undefined) {
      const plan = await this.#approvals.approved(approve, fresh, jump, (held) => narrow(held, fresh));
      if (!dryRun) {
        await this.#approvals.drop((held) => held.plan_id === approve);
        await this.#clockGuard.accept(job);
      }
      return { plan: warnedOf(jump, plan), trigger, dryRun, hold: undefined };
    }
    const hold = dryRun ? undefined : holdFor(fresh, trigger, jump, limits);
    if (hold === undefined) return { plan: warnedOf(jump, fresh), trigger, dryRun, hold };
    if (trigger !== "request") {
      const held = this.#approvals.hold(fresh, hold, formatTimestamp(this.#options.clock.now()), jump);
      await this.#attempt(held, "cannot save the plan that waits for approval");
    }
    return { plan: fresh, trigger, dryRun, hold };
  }

  /** Deletes waiting plans. If that cannot be saved, it counts until the process ends. */
  async drop(matches: (held: HeldPlan) => boolean, problem: string): Promise<void> {
    await this.#attempt(this.#approvals.drop(matches), problem);
  }

  /** The waiting plan of a job, as the list of jobs shows it. */
  waiting(job: JobName): ScheduleEntry["waiting"] {
    return this.#approvals.waiting(job);
  }

  problems(): HealthProblem[] {
    return this.#approvals.all().map(waitingProblem);
  }

  /** @throws SessiondError `approval_required` if nothing may be removed by its age */
  assertAgesKnown(job: JobName): void {
    const jump = this.#clockGuard.jump(job);
    if (jump === undefined) return;
    throw new SessiondError(
      "approval_required",
      `${describeJump(jump)}, so no age is certain; if the clock is right now, approve the plan that ` +
        `sessionctl cleanup ${job} --dry-run shows, and try again`,
    );
  }

  async #attempt(saving: Promise<void>, problem: string): Promise<void> {
    try {
      await saving;
    } catch (error) {
      this.#options.logger.warn({ err: error }, problem);
    }
  }
}

/** After a jump of the clock every pass waits that would remove something; the limits are for schedules. */
function holdFor(
  plan: Plan,
  trigger: Trigger,
  jump: ClockJump | undefined,
  limits: Limits,
): string | undefined {
  if (plan.removals.length === 0) return undefined;
  if (jump !== undefined) return whyWaiting(jump);
  const isLimited = trigger !== "request" && plan.policy.name !== "trash";
  return isLimited ? overLimit(plan, limits) : undefined;
}
