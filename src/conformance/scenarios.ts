/** All scenarios, in the order in which a worker meets them. */
import { answerScenarios } from "./answer-scenarios.ts";
import { claimScenarios } from "./claim-scenarios.ts";
import { connectionScenarios } from "./connection-scenarios.ts";
import { lineScenarios } from "./line-scenarios.ts";
import type { Scenario } from "./scenario.ts";
import { statusScenarios } from "./status-scenarios.ts";

const all: readonly Scenario[] = [
  ...lineScenarios,
  ...answerScenarios,
  ...statusScenarios,
  ...connectionScenarios,
  ...claimScenarios,
];

/** Those that a worker of this kind meets. */
export function scenariosFor(kind: "exclusive" | "shared"): Scenario[] {
  return all.filter((scenario) => scenario.kind === undefined || scenario.kind === kind);
}
