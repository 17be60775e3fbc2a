// What the page needs besides htmx: the bell, copy buttons, the language at once, and a word when the connection is lost.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  // The bell: two tones for each new order, made by the browser. Off until it is switched on, on this device.
  const SWITCH = "orderbell-bell";
  const bell = byId("bell");
  let audio = null;
  const isOn = () => { try { return localStorage.getItem(SWITCH) === "on"; } catch { return false; } };
  const show = () => {
    if (!bell) return;
    const locked = isOn() && (!audio || audio.state !== "running");
    bell.hidden = false;
    bell.setAttribute("aria-pressed", String(isOn()));
    bell.textContent = locked ? bell.dataset.locked : isOn() ? bell.dataset.on : bell.dataset.off;
  };
  const unlock = async () => {
    audio = audio || new AudioContext();
    await audio.resume();
    audio.onstatechange = show;
    show();
  };
  const ring = () => {
    if (!isOn() || !audio || audio.state !== "running") return;
    [0, 0.5, 1.0].forEach((begin, round) => [1318.5, 1046.5].forEach((tone, place) => {
      const at = audio.currentTime + begin + place * 0.22;
      const gain = audio.createGain();
      gain.gain.setValueAtTime(0.0001, at);
      gain.gain.exponentialRampToValueAtTime(0.9, at + 0.01);
      gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.6);
      gain.connect(audio.destination);
      for (const [factor, share] of [[1, 0.7], [2.76, 0.2]]) {
        const wave = audio.createOscillator();
        const part = audio.createGain();
        part.gain.value = share;
        wave.frequency.value = tone * factor;
        wave.connect(part).connect(gain);
        wave.start(at);
        wave.stop(at + 0.7);
      }
    }));
    document.dispatchEvent(new Event("orderbell:rang"));
  };
  if (bell) {
    bell.addEventListener("click", async () => {
      const locked = isOn() && (!audio || audio.state !== "running");
      try { localStorage.setItem(SWITCH, isOn() && !locked ? "off" : "on"); } catch { /* then it is on for this page alone */ }
      if (isOn()) { await unlock(); ring(); }
      show();
    });
    // A browser lets a page sound only after it was touched.
    document.addEventListener("pointerdown", () => { if (isOn() && !audio) unlock(); }, { once: true });
    show();
  }

  // On a telephone the views do not all fit: the one that is shown is in sight.
  const shown = document.querySelector("nav.main [aria-current]");
  if (shown) shown.scrollIntoView({ block: "nearest", inline: "center" });

  // What happens.
  const lost = byId("lost");
  document.body.addEventListener("htmx:sseOpen", (event) => {
    if (lost) lost.hidden = true;
    event.detail.source.addEventListener("event", (happening) => {
      let kind = "";
      try { kind = JSON.parse(happening.data).event.kind; } catch { return; }
      if (kind === "order.placed") ring();
    });
  });
  document.body.addEventListener("htmx:sseError", () => {
    if (lost) { lost.textContent = document.body.dataset.lost; lost.hidden = false; }
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = byId(button.dataset.copy);
    if (!source) return;
    const text = "value" in source ? source.value : source.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without https there is no clipboard: at least it is selected.
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      if (source.select) source.select();
      document.execCommand("copy");
    }
    if (button.dataset.copied) button.textContent = button.dataset.copied;
  });

  // The time zone of whoever sets up, until another one was given.
  const zone = document.querySelector("[data-browser-zone]");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && own && own.includes("/")) zone.value = own;

  // Nothing is sent twice by two quick presses.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent && form.method === "post") { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 3000);
  });
})();
