// What the pages do in the browser beyond htmx: menu, dialogs, shortcuts, messages, and the order of live rows.
// Holds no text (texts come with the page) and decides nothing.
"use strict";
(() => {
  const GO_WAIT_MS = 1200;      // how long "g" waits for its second key
  const TOAST_MS = 8000;
  const WALL_ROWS = 2;          // the person now, and the one before
  const WALL_PAST_MS = 10000;   // who tapped so long ago is no longer at the lane
  const SHORTCUTS_OFF = "onecard-shortcuts-off";
  const byId = (id) => document.getElementById(id);

  // ---- menu and dialogs ----
  document.addEventListener("click", (event) => {
    const at = (attribute) => event.target.closest(`[${attribute}]`);
    const toggle = at("data-toggles");
    if (toggle) {
      const isOpen = byId(toggle.dataset.toggles).classList.toggle("show");
      toggle.setAttribute("aria-expanded", String(isOpen));
    }
    const opener = at("data-opens");
    if (opener) byId(opener.dataset.opens).showModal();
    if (at("data-closes")) event.target.closest("dialog").close();
    if (at("data-prints")) window.print();
    if (at("data-fullscreen")) toggleFullscreen();
    if (at("data-prints")) window.print();
    if (event.target.matches("dialog[open]")) event.target.close();   // a click beside the sheet
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });

  function toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else byId("live").requestFullscreen();
  }

  // ---- keyboard (WCAG 2.1.4: single keys can be switched off) ----
  const shortcuts = document.querySelector("[data-shortcuts]");
  const areOn = () => localStorage.getItem(SHORTCUTS_OFF) === null;
  if (shortcuts) {
    shortcuts.checked = areOn();
    shortcuts.addEventListener("change", () => {
      if (shortcuts.checked) localStorage.removeItem(SHORTCUTS_OFF);
      else localStorage.setItem(SHORTCUTS_OFF, "1");
    });
  }
  let goUntil = 0;
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea, [contenteditable]");
    if (isTyping || event.ctrlKey || event.altKey || event.metaKey || !areOn()) return;
    if (document.querySelector("dialog[open]")) return;
    const isSecond = performance.now() < goUntil;
    goUntil = 0;
    if (isSecond) {
      const place = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (place) { event.preventDefault(); location.assign(place.href); }
    } else if (event.key === "/") {
      const field = document.querySelector("[data-search]");
      if (field) { event.preventDefault(); field.focus(); field.select?.(); }
    } else if (event.key === "g") {
      goUntil = performance.now() + GO_WAIT_MS;
    } else if (event.key === "?") {
      byId("help")?.showModal();
    }
  });

  // ---- messages ----
  function say(name) {
    const shelf = byId("toasts");
    const words = shelf.getAttribute(`data-text-${name}`) ?? shelf.getAttribute("data-text-other");
    const toast = document.createElement("div");
    toast.className = "alert alert-danger toast-line";
    toast.textContent = words;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "btn-close";
    close.setAttribute("aria-label", shelf.dataset.textClose);
    close.addEventListener("click", () => toast.remove());
    toast.append(close);
    shelf.replaceChildren(toast);
    setTimeout(() => toast.remove(), TOAST_MS);
  }
  // a refused form leaves its dialog open; the message must not lie under it
  const closeSheets = () => document.querySelectorAll("dialog[open]").forEach((sheet) => sheet.close());
  document.addEventListener("htmx:response:error", (event) => {
    const status = event.detail.ctx.response.status;
    if ([401, 409, 422].includes(status)) return;   // the answer itself leads to the sign-in page, or says what is wrong
    closeSheets();
    say(String(status));
  });
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.error?.name !== "AbortError" && event.detail.ctx) { closeSheets(); say("offline"); }
  });
  document.addEventListener("submit", (event) => {
    if (event.target.hasAttribute("hx-post")) event.target.closest("dialog")?.close();
  });

  // ---- live rows ----
  const live = byId("live");
  if (live) {
    const rows = byId("rows");
    const state = byId("line-state");
    const limit = Number(rows.dataset.limit);
    const tell = (word) => { state.dataset.state = word; };
    const signIn = () => location.assign(`/login?next=${location.pathname}${encodeURIComponent(location.search)}`);
    document.addEventListener("htmx:sse:after:connection", () => tell("open"));
    document.addEventListener("htmx:sse:error", (event) => {
      tell("lost");
      if (event.detail.status === 401) signIn();
    });
    document.addEventListener("htmx:sse:before:connection", () => { if (state.dataset.state === "open") tell("lost"); });
    live.addEventListener("live-full", () => tell("full"));
    live.addEventListener("signed-out", signIn);
    const isWall = live.classList.contains("wall");
    // an outcome comes without the photo: the row that it replaces has it
    const takeOver = (row, older) => {
      const face = older.querySelector(".live-photo:has(img)");
      if (face && !row.querySelector(".live-photo img")) row.querySelector(".live-photo")?.replaceWith(face);
      older.replaceWith(row);
    };
    const arrive = (row) => {
      const older = [...rows.querySelectorAll(`[data-tap="${CSS.escape(row.dataset.tap)}"]`)].find((other) => other !== row);
      if (older) takeOver(row, older);       // its outcome came: same place, new words
      else row.classList.add("live-new");
    };
    const showOnWall = (row) => {
      const lane = document.querySelector(`[data-wall="${CSS.escape(row.dataset.place)}"]`);
      const same = lane?.querySelector(`[data-tap="${CSS.escape(row.dataset.tap)}"]`);
      row.remove();
      if (same) { takeOver(row, same); return; }
      if (!lane || "outcome" in row.dataset) return;   // another lane's, or the end of a tap that went by long ago
      row.classList.add("live-new");
      lane.prepend(row);
      while (lane.childElementCount > WALL_ROWS) lane.lastElementChild.remove();
      setTimeout(() => row.classList.add("wall-past"), WALL_PAST_MS);
      sharpen(row);
    };
    // the small photo stands at once, the whole one takes its place when it has come
    const sharpen = (row) => {
      const face = row.querySelector("[data-photo]");
      if (!face) return;
      const whole = new Image();
      whole.alt = face.querySelector("img")?.alt ?? "";
      whole.addEventListener("load", () => face.replaceChildren(whole));
      whole.src = face.dataset.photo;
    };
    new MutationObserver((changes) => {
      for (const change of changes) {
        for (const row of change.addedNodes) {
          if (row.nodeType !== Node.ELEMENT_NODE || !row.dataset.tap || !row.isConnected) continue;
          if (isWall) showOnWall(row); else arrive(row);
        }
      }
      while (rows.childElementCount > limit) rows.lastElementChild.remove();
    }).observe(rows, { childList: true });
  }
})();
