// Sorting, filters, copy buttons and differences between rows; without this script all tables are still there.
"use strict";

const make = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

const plainText = (cell) =>
  [...cell.childNodes].filter((node) => !["SMALL", "SUP", "svg"].includes(node.nodeName)).map((node) => node.textContent).join(" ").trim();

const valueOf = (cell) => {
  const text = cell.dataset.v ?? plainText(cell);
  if (text === "" || text === "–") return null;
  const found = text.replace(/,/g, "").match(/^[<~]?([-+]?(?:\d+\.?\d*|\.\d+))/);
  return found ? Number(found[1]) : text.toLowerCase();
};

const compare = (one, two, down) => {
  if (one === null || two === null) return (one === null) - (two === null);
  const order = typeof one === "number" && typeof two === "number" ? one - two : String(one).localeCompare(String(two), "en");
  return down ? -order : order;
};

// Each head cell that spans one column -> the number of its column, in a head of one or two lines.
const columnsOf = (table) => {
  const taken = [];
  const found = new Map();
  [...table.tHead.rows].forEach((line, row) => {
    let column = 0;
    for (const cell of line.cells) {
      while (taken[row]?.[column]) column += 1;
      for (let below = row; below < row + cell.rowSpan; below += 1) {
        taken[below] ??= [];
        for (let right = column; right < column + cell.colSpan; right += 1) taken[below][right] = true;
      }
      if (cell.colSpan === 1) found.set(cell, column);
      column += cell.colSpan;
    }
  });
  return found;
};

const sortBy = (table, head, column) => {
  const bodies = [...table.tBodies];
  const lines = bodies.map((body) => [...body.rows].filter((line) => !line.classList.contains("section")));
  const numeric = lines.flat().some((line) => typeof valueOf(line.cells[column]) === "number");
  const down = head.hasAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : numeric;
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  bodies.forEach((body, index) => {
    body.append(...lines[index].sort((one, two) => compare(valueOf(one.cells[column]), valueOf(two.cells[column]), down)));
  });
};

const makeSortable = (table) => {
  for (const [head, column] of columnsOf(table)) {
    const button = make("button", { type: "button" }, ...head.childNodes);
    button.addEventListener("click", () => sortBy(table, head, column));
    head.append(button);
  }
};

const TITLES = { family: "Family", input: "Input", year: "Year", selection: "Selection", discloses: "Discloses something", answer: "Answer", protocol: "Protocol" };

const makeControls = (controls) => {
  const table = document.getElementById(controls.dataset.for);
  const count = controls.parentElement.querySelector(`.scroll:has(#${CSS.escape(table.id)}) ~ .count`);
  const lines = [...table.tBodies].flatMap((body) => [...body.rows]).filter((line) => !line.classList.contains("section"));
  const search = make("input", { type: "search" });
  controls.append(make("label", {}, "Search", search));
  const chosen = Object.keys(TITLES).flatMap((name) => {
    const values = [...new Set(lines.map((line) => line.dataset[name]).filter(Boolean))].sort();
    if (values.length < 2) return [];
    const select = make("select", {}, make("option", { value: "" }, "all"), ...values.map((value) => make("option", { value }, value)));
    controls.append(make("label", {}, TITLES[name], select));
    select.addEventListener("change", filter);
    return [[name, select]];
  });
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const line of lines) {
      const text = line.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && chosen.every(([name, select]) => !select.value || line.dataset[name] === select.value);
      line.hidden = !fits;
      shown += fits;
    }
    for (const body of table.tBodies) {
      const section = body.querySelector(".section");
      if (section) section.hidden = [...body.rows].every((line) => line === section || line.hidden);
    }
    if (count) count.textContent = shown === lines.length ? "" : `${shown} of ${lines.length} rows shown`;
  }
  search.addEventListener("input", filter);
  for (const [mark, title] of [["p", "Databases"], ["x", "About the run"]]) {
    if (!table.querySelector(`.${mark}`)) continue;
    const box = make("input", { type: "checkbox" });
    box.checked = true;
    box.addEventListener("change", () => table.classList.toggle(mark === "p" ? "hide-parts" : "hide-more", !box.checked));
    controls.append(make("label", { class: "tick" }, box, title));
  }
  controls.hidden = false;
};

const copyText = async (text, code) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return document.execCommand("copy");
  }
};

const makeCopy = (block) => {
  const code = block.querySelector("code");
  const label = block.querySelector("pre").getAttribute("aria-label");
  const button = make("button", { type: "button" }, "Copy", make("span", { class: "hide" }, ` ${label}`));
  const said = make("span", { class: "hide", role: "status" });
  button.addEventListener("click", async () => {
    const done = await copyText(code.textContent, code);
    button.firstChild.textContent = done ? "Copied" : "Selected";
    said.textContent = done ? `${label} copied` : "Selected: copy it by the keyboard";
    setTimeout(() => { button.firstChild.textContent = "Copy"; }, 2000);
  });
  block.append(button, said);
};

const flipped = (text) => text.replace(/[-+](?=[.\d])/g, (sign) => (sign === "-" ? "+" : "-"));
const swapped = (ends) => flipped(ends).split(", ").reverse().join(", ");

// A table whose first `words` columns are text.
const table = (caption, words, heads, lines) => {
  const side = (index) => ({ class: index < words ? "left" : "" });
  return make("table", { class: "plain" }, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...heads.map((head, index) => make("th", { scope: "col", ...side(index) }, head)))),
    make("tbody", {}, ...lines.map((line) => make("tr", {}, ...line.map((cell, index) =>
      make(index ? "td" : "th", index ? side(index) : { scope: "row" }, cell instanceof Node ? cell : String(cell)))))));
};

const block = (words, caption, heads, lines) =>
  make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table(caption, words, heads, lines));

const pairOf = (data, one, two) => data.pairs[one > two ? `${two}-${one}` : `${one}-${two}`];

// One row against every other, best row first.
const againstAll = (data, one) => {
  const heads = ["Other row", "Difference", "95 %", "p, adjusted", "Answer"];
  const caption = "UF1 of this row minus that of another, over the same people";
  const made = block(1, caption, heads, data.rows.flatMap(([slug, label], two) => {
    if (two === one) return [];
    const [p, separated, [[value, ends]]] = pairOf(data, one, two);
    const turned = one > two;
    return [[make("a", { href: `${slug}.html` }, label), turned ? flipped(value) : value, turned ? swapped(ends) : ends, p, separated ? "separated" : "not separated"]];
  }));
  makeSortable(made.querySelector("table"));
  return make("details", { class: "more" }, make("summary", {}, `Difference in UF1 from each of ${data.rows.length - 1} other ranked rows`), made);
};

const showPair = (data, one, two, answer) => {
  const turned = one > two;
  const [p, , parts, recall, more, less, clips, peopleMore, peopleLess, people] = pairOf(data, one, two);
  const name = data.rows[two][1];
  const [gained, lost] = turned ? [less, more] : [more, less];
  const [won, given] = turned ? [peopleLess, peopleMore] : [peopleMore, peopleLess];
  const turn = (text) => (turned ? flipped(text) : text);
  const facts = data.facts.map((fact, index) => [fact, data.names[data.values[one][index]], data.names[data.values[two][index]]]).filter(([, mine, theirs]) => mine !== theirs);
  const moved = clips.map((each) => each.map((number) => data.names[number])).map(([clip, truth, mine, theirs]) => (turned ? [clip, truth, theirs, mine] : [clip, truth, mine, theirs]));
  answer.replaceChildren(
    make("p", {}, `This row minus `, make("a", { href: `${data.rows[two][0]}.html` }, name), `: UF1 ${turn(parts[0][0])}${p === "–" ? "" : `, p ${p}`}. ` +
      `Right in more seeds: ${gained} clips here, ${lost} there; more clips right: ${won} people here, ${given} there.`),
    block(3, "Settings in which they differ", ["Setting", "This row", name], facts),
    block(1, "UF1: this row minus the other", ["Part", "Difference", "95 %"], data.parts.slice(0, parts.length).map((title, index) =>
      [title, turn(parts[index][0]), turned ? swapped(parts[index][1]) : parts[index][1]])),
    block(1, "Recall: this row minus the other", ["Class", "Difference"], data.classes.map((title, index) => [title, turn(recall[index])])),
    block(4, "Clips, the largest changes", ["Clip", "Truth", "This row", "The other"], moved),
    block(1, "People, the largest changes", ["Subject", "Clips right: difference", "Clips"], people.map(([who, change, all]) =>
      [data.names[who], turn(change), all])),
  );
};

const makePairs = (place) => {
  const data = window.merbenchPairs;
  const one = data ? data.rows.findIndex(([slug]) => slug === place.dataset.row) : -1;
  if (one < 0) return;
  const select = make("select", {}, make("option", { value: "" }, "choose a row"), ...data.rows.flatMap(([, label], index) => (index === one ? [] : [make("option", { value: index }, label)])));
  const answer = make("div", { class: "answer", "aria-live": "polite" });
  select.addEventListener("change", () => (select.value === "" ? answer.replaceChildren() : showPair(data, one, Number(select.value), answer)));
  place.append(make("label", {}, "Compare with", select), answer, againstAll(data, one));
  place.hidden = false;
};

// The notes of a published figure, which the page has once, open beside it.
for (const link of document.querySelectorAll('td details a[href^="#note-"]')) {
  const note = document.querySelector(link.hash);
  if (note) link.replaceWith(note.textContent);
}
document.querySelectorAll("table.board, table.sortable").forEach(makeSortable);
document.querySelectorAll(".controls").forEach(makeControls);
document.querySelectorAll(".copy").forEach(makeCopy);
document.querySelectorAll(".pairs").forEach(makePairs);
addEventListener("beforeprint", () => document.querySelectorAll("details:not(td details)").forEach((each) => { each.open = true; }));
