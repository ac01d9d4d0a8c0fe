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

const TITLES = { family: "Family", input: "Input", year: "Year", selection: "Selection", known: "Settings known from test clips", answer: "Answer", protocol: "Protocol" };

// A choice among the values of a mark; nothing where all have the same.
const makeChoice = (marked, name, title, change) => {
  const values = [...new Set(marked.map((each) => each.dataset[name]).filter(Boolean))].sort();
  if (values.length < 2) return [];
  const select = make("select", {}, make("option", { value: "" }, "all"), ...values.map((value) => make("option", { value }, value)));
  select.addEventListener("change", change);
  return [[name, select, make("label", {}, title, select)]];
};
const chosenBy = (each, choices) => choices.every(([name, select]) => !select.value || each.dataset[name] === select.value);

// Rows that do not rank together are in tables of their own: which of the tables are shown.
const makeGroups = (place) => {
  const groups = [...document.querySelectorAll("section[data-discloses]")];
  const count = make("p", { class: "count", role: "status" });
  const choices = [["discloses", "Discloses something"], ["data", "Data"]].flatMap(([name, title]) => makeChoice(groups, name, title, filter));
  function filter() {
    for (const group of groups) group.hidden = !chosenBy(group, choices);
    const shown = groups.filter((group) => !group.hidden).length;
    count.textContent = shown === groups.length ? "" : `${shown} of ${groups.length} tables shown`;
  }
  if (!choices.length) return;
  place.append(make("div", { class: "controls" }, ...choices.map(([, , label]) => label)), count);
  place.hidden = false;
};

const makeControls = (controls) => {
  const table = document.getElementById(controls.dataset.for);
  const count = controls.parentElement.querySelector(`.scroll:has(#${CSS.escape(table.id)}) ~ .count`);
  const lines = [...table.tBodies].flatMap((body) => [...body.rows]).filter((line) => !line.classList.contains("section"));
  const search = make("input", { type: "search" });
  controls.append(make("label", {}, "Search", search));
  const choices = Object.entries(TITLES).flatMap(([name, title]) => makeChoice(lines, name, title, filter));
  controls.append(...choices.map(([, , label]) => label));
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const line of lines) {
      const text = line.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && chosenBy(line, choices);
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

// Numbers as the tables write them.
const plainNumber = (value, digits) => value.toFixed(digits).replace(/^(-?)0\./, "$1.");
const signed = (value, digits = 3) => {
  const text = plainNumber(Math.abs(value), digits);
  return /[1-9]/.test(text) ? (value < 0 ? "-" : "+") + text : text;
};
const mean = (value) => value.toFixed(1).replace(/\.0$/, "");
const signedMean = (value) => (Math.abs(value) < 0.05 ? "0" : (value < 0 ? "-" : "+") + mean(Math.abs(value)));
const pText = (p) => (p === null ? "–" : p < 1 ? "<.001" : plainNumber(p / 1000, 3));

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

const MOST = 5;
const at = (vector, place) => (typeof vector === "string" ? parseInt(vector[place], 36) : vector[place]);
// The share of its seeds in which a row gets a clip right.
const rightIn = (data, row, clip) => at(data.right[row], clip) / data.seeds[row];

// Each subject with its first clip and the one after its last.
const peopleOf = (data) => {
  let end = 0;
  return data.people.map(([name, count]) => { end += count; return [name, end - count, end]; });
};

// What the paired test of two ranked rows found, the first minus the second; nothing for a row without rank.
const testOf = (data, one, two) => {
  const [low, high] = one < two ? [one, two] : [two, one];
  if (high >= data.ranked) return null;
  const [p, separated, ...values] = data.pairs[(low * (2 * data.ranked - low - 1)) / 2 + high - low - 1];
  const parts = data.parts.map((_, part) => {
    const [value, left, right] = values.slice(3 * part, 3 * part + 3);
    if (value === null) return ["–", ""];
    const ends = left === null ? [] : one < two ? [left, right] : [-right, -left];
    return [signed((one < two ? value : -value) / 1000), ends.map((end) => signed(end / 1000)).join(", ")];
  });
  return { p: pText(p), separated, parts };
};

const difference = (mine, theirs) => (mine === null || theirs === null ? "–" : signed(mine - theirs));

// One row against every other, ranked ones first.
const againstAll = (data, one) => {
  const heads = ["Other row", "Difference", "95 %", "p, adjusted", "Answer"];
  const caption = "UF1 of this row minus that of another: 95 % by paired bootstrap over subjects; p by permutation test, adjusted over all pairs";
  const made = block(1, caption, heads, data.rows.flatMap(([slug, label], two) => {
    if (two === one) return [];
    const test = testOf(data, one, two);
    const link = make("a", { href: `${slug}.html` }, label);
    if (!test) return [[link, difference(data.uf1[one][0], data.uf1[two][0]), "–", "–", "not tested: without rank"]];
    return [[link, ...test.parts[0], test.p, test.separated ? "separated" : "not separated"]];
  }));
  makeSortable(made.querySelector("table"));
  return make("details", { class: "more" }, make("summary", {}, `Difference in UF1 from each of ${data.rows.length - 1} other rows`), made);
};

const largest = (changes) => changes.filter(({ change }) => Math.abs(change) > 1e-9)
  .sort((one, two) => Math.round(1e9 * (Math.abs(two.change) - Math.abs(one.change))) || (one.change < 0) - (two.change < 0) || one.place - two.place);
const counted = (changes) => [changes.filter(({ change }) => change > 0).length, changes.filter(({ change }) => change < 0).length];

const showPair = (data, one, two, answer) => {
  const test = testOf(data, one, two);
  const name = data.rows[two][1];
  const facts = data.facts.map((fact, index) => [fact, data.names[data.values[one][index]], data.names[data.values[two][index]]]).filter(([, mine, theirs]) => mine !== theirs);
  const parts = data.parts.map((title, part) => [title, ...(test ? test.parts[part] : [difference(data.uf1[one][part], data.uf1[two][part]), "–"])]);
  const people = peopleOf(data);
  const clips = largest(data.clips.map((_, place) => ({ place, change: rightIn(data, one, place) - rightIn(data, two, place) })));
  const moved = largest(people.map(([, first, end], place) => {
    let change = 0;
    for (let clip = first; clip < end; clip += 1) change += rightIn(data, one, clip) - rightIn(data, two, clip);
    return { place, change };
  }));
  const subjectOf = (clip) => people.find(([, , end]) => clip < end)[0];
  const said = (row, clip) => data.classes[at(data.said[row], clip)];
  const [more, less] = counted(clips);
  const [won, given] = counted(moved);
  answer.replaceChildren(
    make("p", {}, `This row minus `, make("a", { href: `${data.rows[two][0]}.html` }, name), `: UF1 ${parts[0][1]}${test ? (test.p === "–" ? "" : `, p ${test.p}`) : ", not tested: without rank"}. ` +
      `Right in more seeds: ${more} clips here, ${less} there; more clips right: ${won} people here, ${given} there.`),
    block(3, "Settings in which they differ", ["Setting", "This row", name], facts),
    block(1, "UF1: this row minus the other", ["Part", "Difference", "95 %"], parts),
    block(1, "Recall: this row minus the other", ["Class", "Difference"], data.classes.map((title, index) => [title, difference(data.recall[one][index], data.recall[two][index])])),
    block(4, "Clips, the largest changes", ["Clip", "Truth", "This row", "The other"], clips.slice(0, MOST).map(({ place }) =>
      [`${subjectOf(place)}/${data.clips[place]}`, data.classes[at(data.truth, place)], said(one, place), said(two, place)])),
    block(1, "People, the largest changes", ["Subject", "Clips right: difference", "Clips"], moved.slice(0, MOST).map(({ place, change }) =>
      [data.people[place][0], signedMean(change), data.people[place][1]])),
  );
};

const rowOf = () => (window.merbenchPairs ? window.merbenchPairs.rows.findIndex(([slug]) => slug === document.querySelector(".pairs").dataset.row) : -1);

const makePairs = (place) => {
  const data = window.merbenchPairs;
  const one = rowOf();
  if (one < 0) return;
  const select = make("select", {}, make("option", { value: "" }, "choose a row"), ...data.rows.flatMap(([, label], index) => (index === one ? [] : [make("option", { value: index }, label)])));
  const answer = make("div", { class: "answer", "aria-live": "polite" });
  select.addEventListener("change", () => (select.value === "" ? answer.replaceChildren() : showPair(data, one, Number(select.value), answer)));
  place.append(make("label", {}, "Compare with", select), answer, againstAll(data, one));
  place.hidden = false;
};

// Clips right of each subject, all and by class.
const makePeople = (place) => {
  const data = window.merbenchPairs;
  const one = rowOf();
  if (one < 0) return;
  const lines = peopleOf(data).map(([name, first, end]) => {
    const right = data.classes.map(() => 0);
    const all = data.classes.map(() => 0);
    for (let clip = first; clip < end; clip += 1) {
      right[at(data.truth, clip)] += rightIn(data, one, clip);
      all[at(data.truth, clip)] += 1;
    }
    const sum = (values) => values.reduce((total, value) => total + value, 0);
    return [name, `${mean(sum(right))}/${sum(all)}`, ...all.map((count, index) => (count ? `${mean(right[index])}/${count}` : ""))];
  });
  const made = block(1, "Correct clips of clips, by class", ["Subject", "All", ...data.classes], lines);
  makeSortable(made.querySelector("table"));
  place.append(make("details", { class: "more" }, make("summary", {}, `Recall of each of ${lines.length} subjects`), made));
  place.hidden = false;
};

// The notes of a published figure, which the page has once, open beside it.
for (const links of document.querySelectorAll("td details p:has(a)")) {
  const notes = [...links.querySelectorAll("a")].map((link) => document.querySelector(link.hash)).filter(Boolean);
  links.replaceWith(...notes.map((note) => make("p", {}, note.textContent.trim())));
}
document.querySelectorAll("table.board, table.sortable").forEach(makeSortable);
document.querySelectorAll(".controls").forEach(makeControls);
document.querySelectorAll(".groups").forEach(makeGroups);
document.querySelectorAll(".copy").forEach(makeCopy);
document.querySelectorAll(".pairs").forEach(makePairs);
document.querySelectorAll(".people").forEach(makePeople);
addEventListener("beforeprint", () => document.querySelectorAll("details:not(td details)").forEach((each) => { each.open = true; }));
