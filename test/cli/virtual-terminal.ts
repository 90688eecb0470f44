/** A terminal in memory. It understands the escape sequences that sessionctl uses, and no others. */
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: they are what a terminal is sent
import { PassThrough } from "node:stream";
import { WriteStream } from "node:tty";
import { displayWidth } from "../../src/cli/terminal-text.ts";

export class VirtualTerminal {
  columns: number;
  rows: number;
  cursorVisible = true;
  wraps = true;
  onOwnScreen = false;
  /** Sequences that are not known here. */
  readonly unknown: string[] = [];
  #lines: string[][] = [[]];
  #row = 0;
  #column = 0;
  #kept: { lines: string[][]; row: number; column: number } | undefined;
  #rest = "";

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** What is on the screen now, without blanks at the ends of lines and of the screen. */
  get text(): string {
    return this.#lines
      .slice(-this.rows)
      .map((cells) => cells.join("").trimEnd())
      .join("\n")
      .trimEnd();
  }

  /** Everything since the beginning, what has scrolled away included. */
  get history(): string[] {
    return this.#lines.map((cells) => cells.join("").trimEnd());
  }

  write(text: string): void {
    const all = this.#rest + text;
    const whole = all.replace(/\x1b(?:\[[\d;?]*)?$/, "");
    this.#rest = all.slice(whole.length);
    for (const [token] of whole.matchAll(/\x1b\[([\d;?]*)([A-Za-z])|\x1b.|\r|\n|[^\x1b\r\n]+/gs)) {
      if (token === "\r") this.#column = 0;
      else if (token === "\n") this.#down();
      else if (token.startsWith("\x1b")) this.#control(token);
      else this.#print(token);
    }
  }

  get #top(): number {
    return Math.max(0, this.#lines.length - this.rows);
  }

  #down(): void {
    this.#row++;
    while (this.#lines.length <= this.#row) this.#lines.push([]);
  }

  #print(text: string): void {
    for (const { segment } of new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text)) {
      const width = displayWidth(segment);
      if (this.#column + width > this.columns) {
        if (this.wraps) {
          this.#column = 0;
          this.#down();
        } else this.#column = Math.max(0, this.columns - width);
      }
      const cells = this.#lines[this.#row] as string[];
      while (cells.length < this.#column) cells.push(" ");
      cells[this.#column] = segment;
      if (width === 2) cells[this.#column + 1] = "";
      this.#column += width;
    }
  }

  #control(token: string): void {
    const cells = this.#lines[this.#row] as string[];
    // After a full line the cursor stands on the last column until the next character, as in xterm and tmux.
    const cursor = Math.min(this.#column, this.columns - 1);
    // Half of a wide character does not stay.
    const kept = Math.min(cells.length, cells[cursor] === "" ? cursor - 1 : cursor);
    if (token === "\x1b[K") cells.length = kept;
    else if (token === "\x1b[J") {
      cells.length = kept;
      for (const line of this.#lines.slice(this.#row + 1)) line.length = 0;
    } else if (token === "\x1b[H") [this.#row, this.#column] = [this.#top, 0];
    else if (/^\x1b\[\d+A$/.test(token))
      this.#row = Math.max(this.#top, this.#row - Number(token.slice(2, -1)));
    else if (token === "\x1b[?25l" || token === "\x1b[?25h") this.cursorVisible = token.endsWith("h");
    else if (token === "\x1b[?7l" || token === "\x1b[?7h") this.wraps = token.endsWith("h");
    else if (token === "\x1b[?1049h") {
      this.#kept = { lines: this.#lines, row: this.#row, column: this.#column };
      this.onOwnScreen = true;
      this.#lines = Array.from({ length: this.rows }, () => []);
      [this.#row, this.#column] = [0, 0];
    } else if (token === "\x1b[?1049l") {
      this.onOwnScreen = false;
      if (this.#kept !== undefined) {
        [this.#lines, this.#row, this.#column] = [this.#kept.lines, this.#kept.row, this.#kept.column];
      }
    } else if (!/^\x1b\[(?:[\d;]*m|\?2026[hl])$/.test(token)) this.unknown.push(token);
  }
}

/** A stream that passes for such a terminal. */
export class TerminalStream extends PassThrough {
  readonly isTTY = true;
  /** By the environment, as of any terminal. */
  readonly getColorDepth = WriteStream.prototype.getColorDepth;
  readonly screen: VirtualTerminal;
  /** Everything that was written. */
  written = "";

  constructor(columns: number, rows = 24) {
    super();
    this.screen = new VirtualTerminal(columns, rows);
    this.on("data", (chunk: Buffer) => {
      this.written += chunk.toString();
      // As the driver of a terminal does.
      this.screen.write(chunk.toString().replace(/\r?\n/g, "\r\n"));
    });
  }

  get columns(): number {
    return this.screen.columns;
  }

  get rows(): number {
    return this.screen.rows;
  }

  resize(columns: number, rows: number): void {
    [this.screen.columns, this.screen.rows] = [columns, rows];
    this.emit("resize");
  }
}
