/** Formats the results as JSON with each list of numbers on one line, as the formatter does. */
export function stringifyResults(results: object): string {
  const text = JSON.stringify(results, null, 2);
  const lists = text.replace(/\[\s+(-?[\d.eE+-]+(?:,\s+-?[\d.eE+-]+)*)\s+\]/g, (_, numbers: string) => {
    return `[${numbers.replace(/,\s+/g, ", ")}]`;
  });
  return `${lists}\n`;
}
