/** What a start need not read: files that are still as they were when the index was saved. */
import { nextSlice } from "../../../async/slices.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { isUnchanged } from "../disk/read-document.ts";
import type { FileCatalog } from "./file-catalog.ts";
import type { SavedFile } from "./saved-index.ts";
import { StatThread } from "./stat-thread.ts";

/** Of the saved index; for fewer a second thread would not be worth its start. */
const groupsWithoutThread = 8;

export interface Adopted {
  count: number;
  /** Whether that was all of the saved index. */
  isCurrent: boolean;
}

/** Takes in what can be believed of a saved index. Most of the time goes into looking at the files, on a second thread if they are many. */
export async function adoptSavedIndex(
  saved: AsyncIterable<SavedFile[]>,
  fs: FileSystem,
  directory: string,
  catalog: FileCatalog,
): Promise<Adopted> {
  const adopted: Adopted = { count: 0, isCurrent: true };
  const pathOf = ({ file }: SavedFile) => `${directory}/${file}`;

  function adopt(group: readonly SavedFile[], isSame: (cached: SavedFile, at: number) => boolean): void {
    for (const [at, cached] of group.entries()) {
      if (isSame(cached, at) && catalog.adoptSaved(cached)) adopted.count++;
      else adopted.isCurrent = false;
    }
  }

  function adoptHere(group: readonly SavedFile[]): void {
    adopt(group, (cached) => isUnchanged(fs, pathOf(cached), cached.identity));
  }

  async function adoptFrom(thread: StatThread, group: readonly SavedFile[]): Promise<void> {
    const identities = await thread.identities(group.map(pathOf));
    await nextSlice();
    if (identities === undefined) adoptHere(group);
    else adopt(group, ({ identity }, at) => identities[at] === identity);
  }

  const underWay: Promise<void>[] = [];
  let [groups, thread] = [0, undefined as StatThread | undefined];
  try {
    for await (const group of saved) {
      if (++groups === groupsWithoutThread) thread = StatThread.start();
      if (thread?.isReady) {
        const adopting = adoptFrom(thread, group);
        // Told below.
        adopting.catch(() => {});
        underWay.push(adopting);
      } else adoptHere(group);
      await nextSlice();
    }
    await Promise.all(underWay);
  } finally {
    await thread?.close();
  }
  return adopted;
}
