/** More ways in which each operation of the disk may fail, in a short life of a store. */
import { test } from "vitest";
import {
  eachIntercepted,
  failing,
  isClose,
  isOpen,
  isPositioned,
  isWrite,
  writeOneByte,
} from "../store/directory/disk/short-life.ts";

test("any write finds the disk full", () => eachIntercepted(isWrite, failing("ENOSPC")));
test("any write into the journal has to be gone on with", () => eachIntercepted(isPositioned, writeOneByte));
test("any file that is closed says that it failed", () => eachIntercepted(isClose, failing("EIO")));
test("any file that is opened finds no descriptor free", () => eachIntercepted(isOpen, failing("EMFILE")));
