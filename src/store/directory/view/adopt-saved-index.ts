/**
 * Takes entries of the saved index for files that are unchanged since, so that a start need not read them.
 */
import { yieldIfDue } from "../../../async/slices.ts";
import type { FileSystem, StatThread } from "../disk/file-system.ts";
import { isUnchanged } from "../disk/read-document.ts";
import type { FileCatalog } from "./file-catalog.ts";
import type { SavedFile } from "./saved-index.ts";

/** For fewer groups of the saved index, a second thread is not worth its start. */
const groupsWithoutThread = 8;

/**
 * Resolves with whether every entry of the saved index could be taken. If there are many files, a second
 * thread looks at them, as soon as it is ready and as long as it lives.
 */
export async function adoptSavedIndex(
  saved: AsyncIterable<SavedFile[]>,
  fs: FileSystem,
  directory: string,
  catalog: FileCatalog,
): Promise<boolean> {
  let isCurrent = true;
  const pathOf = ({ file }: SavedFile) => `${directory}/${file}`;

  function adopt(group: readonly SavedFile[], isSame: (saved: SavedFile, at: number) => boolean): void {
    for (const [at, saved] of group.entries()) {
      if (isSame(saved, at)) {
        if (!catalog.adoptSaved(saved)) isCurrent = false;
      } else {
        catalog.passOver(saved);
        isCurrent = false;
      }
    }
  }

  function adoptHere(group: readonly SavedFile[]): void {
    adopt(group, (saved) => isUnchanged(fs, pathOf(saved), saved.identity));
  }

  async function adoptBy(thread: StatThread, group: readonly SavedFile[]): Promise<void> {
    const identities = await thread.identities(group.map(pathOf));
    await yieldIfDue();
    if (identities === undefined) adoptHere(group);
    else adopt(group, ({ identity }, at) => identities[at] === identity);
  }

  const underWay: Promise<void>[] = [];
  let [groups, thread] = [0, undefined as StatThread | undefined];
  try {
    for await (const group of saved) {
      if (++groups === groupsWithoutThread) thread = fs.startStatThread();
      if (thread?.isReady) {
        const adopting = adoptBy(thread, group);
        // A rejection is handled below.
        adopting.catch(() => {});
        underWay.push(adopting);
      } else adoptHere(group);
      await yieldIfDue();
    }
    await Promise.all(underWay);
  } finally {
    await thread?.close();
  }
  return isCurrent;
}
