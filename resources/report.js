"use strict";
// Tables sort by the column whose head is pressed: by number where a column holds numbers.

const NUMBER = /^[+\-\u2212]?[\d,]*\.?\d+(?:e[+-]?\d+)?/i;
const NOTHING = ["", "\u2013", "nan"];

function numberOf(text) {
  const found = NUMBER.exec(text);
  return found ? Number(found[0].replaceAll(",", "").replace("\u2212", "-")) : null;
}

function sort(table, column, descending) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
  const told = rows.filter(({ text }) => !NOTHING.includes(text));
  const numbers = 2 * told.filter(({ text }) => numberOf(text) !== null).length > told.length;
  const last = ({ text }) => NOTHING.includes(text) || (numbers && numberOf(text) === null);
  const compare = (one, other) => {
    if (last(one) || last(other)) return last(one) - last(other);
    const difference = numbers
      ? numberOf(one.text) - numberOf(other.text)
      : one.text.localeCompare(other.text, "en", { numeric: true });
    return descending ? -difference : difference;
  };
  body.append(...rows.sort(compare).map(({ row }) => row));
}

for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  for (const [column, head] of heads.entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(table, column, descending);
    });
  }
}
