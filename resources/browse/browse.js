"use strict";
// The page of test images and their neighbours. What is chosen stands in the address, so that it can be
// passed on. Names and captions come from strangers: they become text and never markup.

const TOLD = JSON.parse(document.getElementById("told").textContent);
const CHOICES = ["set", "class", "subset", "pruned", "a", "a_is", "b", "b_is", "sort"];
const DATA = new Map(); // by test set, loaded when shown
const state = { page: 0, image: "" };
let shown = []; // items that pass the filters, sorted
let waiting = null; // the test set that is being loaded

const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else if (key === "onclick") made.addEventListener("click", value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function fillSelect(id, options, chosen) {
  const select = byId(id);
  select.replaceChildren(
    ...options.map(([value, text]) => element("option", { value, text })),
  );
  const known = options.some(([value]) => value === chosen);
  select.value = known ? chosen : (options[0] ?? [""])[0];
}

// ---- Data ----------------------------------------------------------------------------------------

// Called by the scripts in data/.
function receive(data) {
  for (const [place, item] of data.items.entries()) {
    item.place = place; // on the sheets
    item.similarity = item.pool.length ? item.pool[0].similarity : null;
    item.class ||= null;
  }
  DATA.set(data.test_set, data);
}

function load(name) {
  waiting = name;
  if (DATA.has(name)) {
    show();
    return;
  }
  byId("items").replaceChildren();
  byId("count").textContent = `Reading ${name} …`;
  const script = element("script", { src: `data/${encodeURIComponent(name)}.js` });
  script.addEventListener("load", () => (DATA.has(name) ? waiting === name && show() : fail(name)));
  script.addEventListener("error", () => fail(name));
  document.head.append(script);
}

function fail(name) {
  if (waiting !== name) return;
  shown = [];
  byId("items").replaceChildren();
  byId("count").textContent = `data/${name}.js cannot be read: copy the whole folder browse/, not index.html alone.`;
  byId("count").className = "failed";
  for (const button of document.querySelectorAll("nav button")) button.disabled = true;
  writeAddress();
}

const modelName = (model) => `${model.training_set}, seed ${model.seed}`;

function keptBy(neighbour, subset, data) {
  const place = data.subsets.indexOf(subset);
  return place < 0 || neighbour.kept === undefined ? null : neighbour.kept[place] === "1";
}

// The subset that is chosen, where it is matched to this test set by the embedder of the page.
function matchedSubset(data) {
  const subset = TOLD.subsets.find((one) => one.name === byId("subset").value);
  return subset && subset.rank !== null && subset.test_sets.includes(data.test_set) ? subset : null;
}

// Similarity of the nearest reference image, or what that subset allows.
function thresholdOf(item, data) {
  const subset = matchedSubset(data);
  const value = item.thresholds[TOLD.ranks.indexOf(subset ? subset.rank : 1)] ?? null;
  return value === null ? null : value + (subset ? subset.offset : 0);
}

function marginOf(item, data) {
  const threshold = thresholdOf(item, data);
  return threshold === null || item.similarity === null ? null : item.similarity - threshold;
}

// ---- What is chosen ------------------------------------------------------------------------------

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  fillSelect("set", TOLD.test_sets.map((name) => [name, name]), given.get("set"));
  fillSelect("subset", TOLD.subsets.map((one) => [one.name, one.name]), given.get("subset") ?? firstMatched());
  for (const id of ["pruned", "a_is", "b_is", "sort"]) {
    const select = byId(id);
    const values = [...select.options].map((option) => option.value);
    select.value = values.includes(given.get(id)) ? given.get(id) : values[0];
  }
  state.page = Math.max(0, Number.parseInt(given.get("page") ?? "1", 10) - 1 || 0);
  state.image = given.get("image") ?? "";
  state.given = given; // classes and models are known with the data
  load(byId("set").value);
}

const firstMatched = () => (TOLD.subsets.find((one) => one.rank !== null) ?? { name: null }).name;

function writeAddress() {
  const told = new URLSearchParams();
  for (const id of CHOICES) if (byId(id).value !== "") told.set(id, byId(id).value);
  if (state.page) told.set("page", state.page + 1);
  if (state.image !== "") told.set("image", state.image);
  try {
    history.replaceState(null, "", `#${told}`);
  } catch {
    // Some browsers refuse many changes in a short time: the next one tells it all.
  }
}

function fillFromData(data) {
  const classes = [...new Set(data.items.map((item) => item.class))].filter((name) => name !== null).sort();
  const now = state.given ?? new Map(["class", "a", "b"].map((id) => [id, byId(id).value]));
  fillSelect("class", [["", "all"], ...classes.map((name) => [name, name])], now.get("class") ?? "");
  const names = data.models.map(modelName);
  const matched = data.models.find((model) => model.training_set === firstMatched());
  const other = matched ? modelName(matched) : names.at(-1);
  const options = names.map((name) => [name, name]);
  fillSelect("a", options, now.get("a"));
  fillSelect("b", options, names.includes(now.get("b")) ? now.get("b") : other);
  state.given = null;
}

const modelPlace = (id, data) => data.models.findIndex((model) => modelName(model) === byId(id).value);

// 0: A is right and B wrong; 1: the other way round; 2: both are wrong, in different ways; 3: the same, or
// one of them did not see the image.
function change(item, a, b) {
  if (a < 0 || b < 0 || item.right[a] === "-" || item.right[b] === "-") return 3;
  if (item.right[a] !== item.right[b]) return item.right[a] === "1" ? 0 : 1;
  return item.predicted[a] === item.predicted[b] ? 3 : 2;
}

function chosenItems(data) {
  const [a, b] = [modelPlace("a", data), modelPlace("b", data)];
  const is = (item, model, wanted) => wanted === "" || item.right[model] === (wanted === "right" ? "1" : "0");
  const subset = byId("subset").value;
  const passing = data.items.filter((item) => {
    const kept = item.pool.length ? keptBy(item.pool[0], subset, data) : null;
    const wanted = byId("pruned").value;
    return (
      (byId("class").value === "" || item.class === byId("class").value) &&
      (wanted === "" || kept === (wanted === "kept")) &&
      is(item, a, byId("a_is").value) &&
      is(item, b, byId("b_is").value)
    );
  });
  const margins = new Map(passing.map((item) => [item, marginOf(item, data)]));
  const margin = (item) => margins.get(item);
  const similarity = (item) => item.similarity;
  // What has no value comes last, whichever end is first.
  const by = (value, sign) => (one, other) => {
    const [first, second] = [value(one), value(other)];
    if (first === null || second === null) return (first === null) - (second === null);
    return sign * (second - first);
  };
  const orders = {
    margin: by(margin, 1),
    "-margin": by(margin, -1),
    similarity: by(similarity, 1),
    "-similarity": by(similarity, -1),
    change: (one, other) => change(one, a, b) - change(other, a, b) || by(margin, 1)(one, other),
  };
  return passing.sort((one, other) => orders[byId("sort").value](one, other) || one.row - other.row);
}

// ---- The page ------------------------------------------------------------------------------------

function picture(item, column, alt, data) {
  const { side, rows } = TOLD;
  const sheet = String(Math.floor(item.place / rows)).padStart(3, "0");
  const image = element("img", {
    src: `data/${encodeURIComponent(data.test_set)}/${sheet}.jpg`,
    width: side,
    height: side,
    loading: "lazy",
    alt,
  });
  image.style.objectPosition = `${-column * side}px ${-(item.place % rows) * side}px`;
  return image;
}

const digits = (value) => (value === null ? "–" : value.toFixed(3));
const signed = (value) => (value === null ? "–" : `${value > 0 ? "+" : ""}${value.toFixed(3)}`);
const named = (item) => item.class ?? (item.caption || "no class or caption");
const quoted = (text) => `“${text}”`;

function neighbourFigure(item, neighbour, column, what, data) {
  const kept = keptBy(neighbour, byId("subset").value, data);
  const alt = `${what}: ${neighbour.caption || "no caption"}`;
  const open = () => details(item, neighbour, column, what, data);
  const label = digits(neighbour.similarity) + (neighbour.duplicate ? " dropped" : kept === false ? " pruned" : "");
  return element(
    "figure",
    kept === false ? { class: "pruned" } : {},
    element("button", { type: "button", class: "thumb", onclick: open }, picture(item, column, alt, data)),
    element("figcaption", { text: label }),
  );
}

function answerOf(item, model, data) {
  const name = modelName(data.models[model]);
  const right = item.right[model];
  const label = item.predicted[model];
  const says = label === null || label === undefined ? "" : ` (${quoted(data.classes[label] ?? label)})`;
  const text = { 1: "right", 0: "wrong", "-": "not evaluated on it" }[right];
  return element(
    "p",
    {},
    `${name}: `,
    element("span", { class: right === "1" ? "right" : "wrong", text }),
    element("span", { class: "answer", dir: "auto", text: right === "-" ? "" : says }),
  );
}

function card(item, data) {
  const models = [...new Set([modelPlace("a", data), modelPlace("b", data)])].filter((place) => place >= 0);
  const threshold = thresholdOf(item, data);
  const subset = matchedSubset(data);
  const special = subset && (subset.rank !== 1 || subset.offset !== 0);
  const of = special ? ` (${subset.name}: rank ${subset.rank}, offset ${subset.offset})` : "";
  const numbers =
    `Nearest pool image ${digits(item.similarity)}, threshold${of} ${digits(threshold)}, ` +
    `margin ${signed(marginOf(item, data))}`;
  const title = named(item);
  const open = () => details(item, item, 0, "test image", data);
  return element(
    "article",
    { id: `image-${item.row}`, tabindex: "-1", "aria-label": `Test image ${item.row}: ${title}` },
    element(
      "div",
      { class: "about" },
      element(
        "h2",
        {},
        element("span", { class: "caption", dir: "auto", text: title }),
        element("span", { class: "quiet", text: ` · image ${item.row}` }),
      ),
      element("p", { class: "quiet", text: numbers }),
      ...models.map((model) => answerOf(item, model, data)),
    ),
    element(
      "figure",
      {},
      element(
        "button",
        { type: "button", class: "thumb", onclick: open },
        picture(item, 0, `test image: ${title}`, data),
      ),
      element("figcaption", { text: "test image" }),
    ),
    element(
      "div",
      { class: "rows" },
      ...[["pool", 1], ["reference", 1 + TOLD.neighbours]].map(([what, first]) =>
        element(
          "div",
          { class: "row", role: "group", "aria-label": `Nearest ${what} images`, tabindex: "0" },
          element("span", { class: "name", text: what }),
          ...item[what].map((one, rank) => neighbourFigure(item, one, first + rank, `${what} image`, data)),
        ),
      ),
    ),
  );
}

function show() {
  const data = DATA.get(byId("set").value);
  if (!data) return;
  fillFromData(data);
  shown = chosenItems(data);
  const wanted = shown.findIndex((item) => String(item.row) === state.image);
  if (wanted >= 0) state.page = Math.floor(wanted / TOLD.rows);
  const pages = Math.max(1, Math.ceil(shown.length / TOLD.rows));
  state.page = Math.min(state.page, pages - 1);
  const here = shown.slice(state.page * TOLD.rows, (state.page + 1) * TOLD.rows);
  byId("items").replaceChildren(...here.map((item) => card(item, data)));
  const sample = data.items.length < data.images ? `, a sample of its ${data.images.toLocaleString("en")} spread over its classes` : "";
  byId("count").className = "";
  byId("count").textContent =
    `${shown.length} of ${data.items.length} images of ${data.test_set}${sample}; page ${state.page + 1} of ${pages}.` +
    (shown.length ? "" : " No image passes these filters.") +
    (state.image === "" || wanted >= 0 ? "" : ` Image ${state.image} is not among them.`);
  for (const end of ["", "_below"]) {
    byId(`previous${end}`).disabled = state.page === 0;
    byId(`next${end}`).disabled = state.page >= pages - 1;
  }
  writeAddress();
  if (wanted >= 0) goTo(byId(`image-${state.image}`));
}

function turn(pages) {
  const last = Math.max(0, Math.ceil(shown.length / TOLD.rows) - 1);
  const page = Math.min(Math.max(state.page + pages, 0), last);
  if (page === state.page) return;
  state.page = page;
  state.image = "";
  show();
  goTo(byId("items").firstElementChild);
}

function goTo(article) {
  if (!article) return;
  article.focus({ preventScroll: true });
  article.scrollIntoView({ block: "start" });
  state.image = article.id.replace("image-", "");
  writeAddress();
}

function step(by) {
  const articles = [...byId("items").children];
  const now = articles.findIndex((one) => one.contains(document.activeElement));
  if (now < 0) goTo(articles[by > 0 ? 0 : articles.length - 1]);
  else goTo(articles[now + by]);
}

function details(item, one, column, what, data) {
  const lines = [
    ["caption", one.caption || "none"],
    ["class", one.class ?? "unknown"],
    ["sample", `chunk ${one.chunk}, row ${one.row}, key ${one.key}`],
  ];
  if (one.similarity !== undefined && one !== item) lines.unshift(["similarity", one.similarity.toFixed(4)]);
  if (one.duplicate) lines.push(["dropped by", "deduplication: an earlier pool image is nearly the same; no subset could choose this one"]);
  if (one.kept !== undefined) {
    const pruning = data.subsets.filter((_, place) => one.kept[place] !== "1");
    lines.push(["pruned by", pruning.join(", ") || "no subset"]);
  }
  byId("details_title").textContent = what;
  document.querySelector("#details .large").replaceChildren(picture(item, column, `${what}: ${one.caption || "no caption"}`, data));
  document.querySelector("#details dl").replaceChildren(
    ...lines.flatMap(([name, text]) => [element("dt", { text: name }), element("dd", { dir: "auto", text })]),
  );
  state.image = String(item.row);
  writeAddress();
  byId("details_link").setAttribute("href", location.href);
  byId("details").showModal();
}

// ---- Events --------------------------------------------------------------------------------------

byId("controls").addEventListener("change", (event) => {
  state.page = 0;
  state.image = "";
  if (event.target.id === "set") load(byId("set").value);
  else show();
});
byId("controls").addEventListener("reset", (event) => {
  event.preventDefault();
  for (const id of ["class", "pruned", "a_is", "b_is"]) byId(id).value = "";
  state.page = 0;
  state.image = "";
  show();
});
for (const end of ["", "_below"]) {
  byId(`previous${end}`).addEventListener("click", () => turn(-1));
  byId(`next${end}`).addEventListener("click", () => turn(1));
}
byId("close").addEventListener("click", () => byId("details").close());
// A new address of this page: a link that was followed, or typed.
window.addEventListener("hashchange", () => { byId("details").close(); readAddress(); });
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("select, input, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || byId("details").open) return;
  const actions = { j: () => step(1), k: () => step(-1), n: () => turn(1), p: () => turn(-1), "/": () => byId("set").focus() };
  if (!(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
});
document.documentElement.style.setProperty("--side", `${TOLD.side}px`);
readAddress();
