// Makes the table of topics sortable and searchable. Everything else works without it.
"use strict";
(() => {
  const table = document.getElementById("topic-table");
  const tools = document.getElementById("topic-tools");
  if (!table || !tools) return;

  const search = document.getElementById("topic-search");
  const status = document.getElementById("topic-status");
  const order = document.getElementById("topic-order");
  const count = document.getElementById("topic-count");
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const rows = [...body.rows].map((row) => ({ row, text: fold(row.textContent) }));
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const filter = () => {
    const words = fold(search.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { row, text } of rows) {
      const matches = words.every((word) => text.includes(word)) && (!status.value || row.dataset.status === status.value);
      row.hidden = !matches;
      shown += matches ? 1 : 0;
    }
    const all = `${rows.length} topic${rows.length === 1 ? "" : "s"}`;
    count.textContent = shown === rows.length ? all : `${shown} of ${all}`;
  };

  const value = (row, column, kind) => {
    const cell = row.cells[column];
    if (kind === "text") return (cell.querySelector("bdi") ?? cell).textContent;
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };

  // Rows without a figure come last in either direction.
  const compare = (a, b, direction) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * (typeof a === "string" ? collator.compare(a, b) : a - b);
  };

  const sort = (column, ascending) => {
    const kind = headings[column].dataset.sort;
    const keyed = rows.map((entry) => ({ entry, key: value(entry.row, column, kind) }));
    keyed.sort((a, b) => compare(a.key, b.key, ascending ? 1 : -1));
    rows.splice(0, rows.length, ...keyed.map(({ entry }) => entry));
    body.append(...rows.map(({ row }) => row));
    for (const heading of headings) heading.removeAttribute("aria-sort");
    headings[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
    order.value = `${column} ${ascending ? "ascending" : "descending"}`;
  };

  const addOrder = (column, name, ascending) => {
    const words = headings[column].dataset.sort === "text" ? ["A–Z", "Z–A"] : ["least first", "most first"];
    const option = document.createElement("option");
    option.value = `${column} ${ascending ? "ascending" : "descending"}`;
    option.textContent = `${name}, ${words[ascending ? 0 : 1]}`;
    order.append(option);
  };

  headings.forEach((heading, column) => {
    const kind = heading.dataset.sort;
    if (!kind) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    const first = kind === "text";
    button.addEventListener("click", () => {
      const sorted = heading.getAttribute("aria-sort");
      sort(column, sorted ? sorted === "descending" : first);
    });
    for (const ascending of [first, !first]) addOrder(column, button.textContent, ascending);
  });
  order.addEventListener("change", () => {
    const [column, direction] = order.value.split(" ");
    sort(Number(column), direction === "ascending");
  });
  search.addEventListener("input", filter);
  status.addEventListener("change", filter);
  headings[1].setAttribute("aria-sort", "descending");
  order.value = "1 descending";
  tools.hidden = false;
  filter();
})();
