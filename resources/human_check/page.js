"use strict";
(() => {
  const { check, pictures, trials } = JSON.parse(document.getElementById("data").textContent);
  const KEY = `human_check ${check}`;
  const element = (id) => document.getElementById(id);
  const random = new Uint32Array(4);
  crypto.getRandomValues(random);
  // Where this rater begins on the cycle, and the answers in the order in which they were given.
  let state = {
    rater: Array.from(random.subarray(0, 3), (part) => part.toString(16).padStart(8, "0")).join(""),
    start: random[3] % trials.length,
    answers: [],
  };
  let shownAt = 0;

  function restore() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY));
      if (kept) state = kept;
    } catch {
      element("unkept").hidden = false;
    }
  }

  function keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
    } catch {
      element("unkept").hidden = false;
    }
  }

  const finished = () => state.answers.length >= trials.length;
  const current = () => trials[(state.start + state.answers.length) % trials.length];

  function show() {
    const done = state.answers.length;
    element("bar").max = trials.length;
    element("bar").value = done;
    element("count").textContent = `${done} of ${trials.length} answered`;
    element("undo").disabled = done === 0;
    element("download").disabled = done === 0;
    element("trial").hidden = finished();
    element("help").hidden = finished();
    element("end").hidden = !finished();
    if (finished()) {
      element("end").focus();
      return;
    }
    const [, ...numbers] = current();
    const images = [element("middle"), ...element("trial").querySelectorAll("button img")];
    images.forEach((image, place) => {
      image.src = `data:image/jpeg;base64,${pictures[numbers[place]]}`;
    });
    shownAt = performance.now();
  }

  function answer(choice) {
    if (finished()) return;
    const seconds = Number(((performance.now() - shownAt) / 1000).toFixed(2));
    state.answers.push([current()[0], choice, seconds]);
    keep();
    show();
  }

  function undo() {
    if (!state.answers.length) return;
    state.answers.pop();
    keep();
    show();
  }

  function download() {
    const rows = state.answers.map((one) => [state.rater, ...one].join(","));
    const text = ["rater,trial,choice,seconds", ...rows, ""].join("\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = `answers_${check}_${state.rater}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  document.addEventListener("keydown", (event) => {
    // A held key answers once, and what the browser does with modifiers stays as it is.
    if (event.repeat || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const action = {
      ArrowLeft: () => answer("left"),
      ArrowRight: () => answer("right"),
      Backspace: undo,
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  element("left").addEventListener("click", () => answer("left"));
  element("right").addEventListener("click", () => answer("right"));
  element("undo").addEventListener("click", undo);
  element("download").addEventListener("click", download);
  // Another tab went on.
  addEventListener("storage", (event) => {
    if (event.key !== KEY) return;
    restore();
    show();
  });

  restore();
  keep();
  element("rater").textContent = state.rater;
  show();
})();
