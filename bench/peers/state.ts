/** A session in memory, for peers that write the whole session for each report. */
import { nextResult } from "../work.ts";

export interface State {
  processed_files: string[];
  pending_files: string[];
  partial_results: Record<string, unknown>;
}

export function stateOf(files: readonly string[], done: number): State {
  const processed = files.slice(0, done);
  return {
    processed_files: processed,
    pending_files: files.slice(done),
    partial_results: Object.fromEntries(processed.map((file) => [file, nextResult()])),
  };
}

export function addReport(state: State, file: string): void {
  const place = state.pending_files.indexOf(file);
  if (place !== -1) {
    state.pending_files.splice(place, 1);
    state.processed_files.push(file);
  }
  state.partial_results[file] = nextResult();
}
