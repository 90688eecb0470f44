/** Tells the journal up to which report the file of a session holds everything. What it cannot be told now, it is told later. */
import type { Journal } from "./journal.ts";

export class Settlements {
  readonly #journal: Journal;
  /** What the journal should be told when it has room again, by session. */
  readonly #owed = new Map<string, number>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Should it fail, it is made up for later: until then a start reports once more what the file holds already. */
  async settle(id: string, last = this.#journal.newest(id)): Promise<void> {
    if (last === undefined) return;
    try {
      await this.#journal.settle(id, last);
    } catch {
      this.#owed.set(id, Math.max(last, this.#owed.get(id) ?? 0));
    }
  }

  async settleOwed(): Promise<void> {
    const owed = [...this.#owed];
    this.#owed.clear();
    await Promise.all(owed.map((entry) => this.settle(...entry)));
  }
}
