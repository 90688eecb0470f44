/**
 * The script of the report: it shows all rows, some at a time, and searches, filters and orders them. Without
 * it the report shows the first rows. It writes text only, never HTML, so nothing in a result can act.
 */
export const script = `
"use strict";
const { statuses, rows } = JSON.parse(document.getElementById("data").textContent);
const step = 200;
const byId = (id) => document.getElementById(id);
const [tools, search, status, order, more, body, count] = [
  "tools", "search", "status", "order", "more", "rows", "count",
].map(byId);
/** The indexes of the rows that are wanted, in their order, and how many of them are shown. */
let found = [];
let shown = 0;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function output(title, text) {
  return text === "" ? [] : [element("div", title, "note"), element("pre", text)];
}

function rowOf([file, at, exit, , time, attempts, finished, reason, stdout, stderr, isResult, ...values]) {
  const row = element("tr");
  const first = element("th", file);
  first.scope = "row";
  if (reason !== "") first.append(element("div", reason, "reason"));
  if (stdout === null) first.append(element("div", "Its output is left out here.", "note"));
  else if (stdout + stderr !== "") {
    const details = element("details");
    details.append(element("summary", "Output"), ...output("stderr", stderr), ...output(isResult ? "result" : "stdout", stdout));
    first.append(details);
  }
  row.append(first, element("td", statuses[at], statuses[at]));
  for (const text of [exit, time, attempts]) row.append(element("td", text, "number"));
  row.append(element("td", finished));
  for (const text of values) row.append(element("td", text, "value"));
  return row;
}

const orders = {
  failed: (a, b) => rows[a][1] - rows[b][1] || a - b,
  slowest: (a, b) => rows[b][3] - rows[a][3] || a - b,
  name: (a, b) => (rows[a][0] < rows[b][0] ? -1 : rows[a][0] > rows[b][0] ? 1 : a - b),
};

function showMore() {
  const next = found.slice(shown, shown + step);
  body.append(...next.map((at) => rowOf(rows[at])));
  shown += next.length;
  const left = found.length - shown;
  const numbers = [shown, found.length, rows.length].map((value) => value.toLocaleString("en"));
  count.textContent = "Showing " + numbers[0] + " of " + numbers[1] +
    (found.length === rows.length ? " results" : " matching results, of " + numbers[2] + " in all");
  more.hidden = left === 0;
  more.textContent = "Show " + Math.min(step, left) + " more";
}

function select() {
  const text = search.value.toLowerCase();
  const isFound = (row) =>
    (status.value === "" || statuses[row[1]] === status.value) &&
    (text === "" || row.some((cell) => typeof cell === "string" && cell.toLowerCase().includes(text)));
  found = [...rows.keys()].filter((at) => isFound(rows[at])).sort(orders[order.value]);
  body.replaceChildren();
  shown = 0;
  showMore();
}

let timer;
search.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(select, 150);
});
for (const control of [status, order]) control.addEventListener("change", select);
more.addEventListener("click", showMore);
tools.addEventListener("submit", (event) => event.preventDefault());
tools.hidden = false;
byId("scriptless")?.remove();
select();
`;
