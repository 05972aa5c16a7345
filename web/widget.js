/*
 * Tandem's chat widget: one element, <tandem-chat>, in a shadow DOM of its own.
 *
 *   <script src="https://chat.example/widget.js" data-account="web" async></script>
 *
 * On the script: data-account, data-server (else the script's own), data-locale, data-position
 * ("left" or "right"), data-color, data-title, data-open. In the page: window.Tandem with open(),
 * close(), toggle(), send(text), identify(identity), reset(), locale(tag), on(event, listener).
 * Colours and sizes are custom properties of the element: --tandem-accent and those below it.
 *
 * What others wrote is only ever put into text nodes and checked addresses, never into markup.
 */
(() => {
  "use strict";
  if (customElements.get("tandem-chat")) return;

  const SCRIPT =
    document.currentScript || document.querySelector('script[src*="widget.js"][data-account]');

  const TEXTS = {
    en: {
      title: "Chat with us",
      subtitle: "We usually answer at once",
      open: "Open the chat",
      close: "Close the chat",
      unread: n => `${n} unread ${n === 1 ? "message" : "messages"}`,
      log: "Messages",
      write: "Write a message",
      placeholder: "Write a message…",
      send: "Send",
      attach: "Attach a file",
      drop: "Drop files to send them",
      you: "You",
      bot: "Assistant",
      agent: "Support",
      typing: "Writing…",
      sending: "Sending…",
      sent: "Sent",
      failed: "Not sent",
      retry: "Try again",
      offline: "You are offline. What you write is sent later.",
      reconnecting: "Connecting…",
      newer: "New messages",
      options: "Options",
      today: "Today",
      yesterday: "Yesterday",
      tooLong: "This message is too long.",
      tooBig: max => `Files may have up to ${max}.`,
      badType: "Files of this type cannot be sent.",
      notSent: "This could not be sent.",
      dismiss: "Dismiss",
      newTab: "opens in a new tab",
      uploading: "Uploading",
      scroll: "More cards",
    },
    zh: {
      title: "在线客服",
      subtitle: "通常会立即回复",
      open: "打开聊天",
      close: "关闭聊天",
      unread: n => `${n} 条未读消息`,
      log: "消息",
      write: "输入消息",
      placeholder: "请输入消息…",
      send: "发送",
      attach: "添加文件",
      drop: "拖放到此处即可发送",
      you: "您",
      bot: "智能助手",
      agent: "人工客服",
      typing: "正在输入…",
      sending: "发送中…",
      sent: "已发送",
      failed: "发送失败",
      retry: "重试",
      offline: "网络已断开，消息将在恢复后发送。",
      reconnecting: "正在连接…",
      newer: "新消息",
      options: "选项",
      today: "今天",
      yesterday: "昨天",
      tooLong: "这条消息太长了。",
      tooBig: max => `文件不能超过 ${max}。`,
      badType: "不支持发送此类型的文件。",
      notSent: "这条消息无法发送。",
      dismiss: "忽略",
      newTab: "在新标签页打开",
      uploading: "正在上传",
      scroll: "更多卡片",
    },
  };

  const DARK = `
  --bg: var(--tandem-background, #191c1b);
  --surface: var(--tandem-surface, #282c2a);
  --ink: var(--tandem-ink, #eceeec);
  --quiet: var(--tandem-quiet, #a2aaa5);
  --line: var(--tandem-line, #363b38);
  --link: color-mix(in oklab, var(--accent) 45%, white);
  --bad: #ff9d94;
  --shadow: 0 0 0 1px rgb(255 255 255 / .07), 0 16px 48px rgb(0 0 0 / .55);
  color-scheme: dark;
`;

  const CSS = `
:host {
  --accent: var(--tandem-accent, #23604d);
  --on-accent: var(--tandem-on-accent, #fff);
  --bg: var(--tandem-background, #ffffff);
  --surface: var(--tandem-surface, #f3f2ee);
  --ink: var(--tandem-ink, #1d211f);
  --quiet: var(--tandem-quiet, #646b67);
  --line: var(--tandem-line, #e4e2dc);
  --link: var(--accent);
  --bad: #b3261e;
  --gap: var(--tandem-gap, 20px);
  --radius: var(--tandem-radius, 20px);
  --shadow: 0 1px 2px rgb(20 30 25 / .10), 0 12px 40px rgb(20 30 25 / .20);
  all: initial;
  position: fixed;
  inset-block-end: calc(var(--gap) + env(safe-area-inset-bottom, 0px));
  inset-inline-end: calc(var(--gap) + env(safe-area-inset-right, 0px));
  z-index: 2147483000;
  font: 400 15px/1.5 var(--tandem-font, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif);
  color: var(--ink);
  color-scheme: light;
  -webkit-text-size-adjust: 100%;
}
:host([position="left"]) { inset-inline: calc(var(--gap) + env(safe-area-inset-left, 0px)) auto; }
:host([hidden]) { display: none; }
:host([theme="dark"]) {${DARK}}
@media (prefers-color-scheme: dark) { :host(:not([theme="light"])) {${DARK}} }
*, *::before, *::after { box-sizing: border-box; }
button, textarea { font: inherit; color: inherit; margin: 0; }
button { cursor: pointer; border: 0; background: none; padding: 0; -webkit-tap-highlight-color: transparent; }
svg { display: block; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
[hidden] { display: none !important; }
.sr { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.launch { position: relative; display: grid; place-items: center; inline-size: 60px; block-size: 60px; border-radius: 50%; background: var(--accent); color: var(--on-accent); box-shadow: var(--shadow); transition: transform .18s cubic-bezier(.3, 1.4, .6, 1); margin-inline-start: auto; }
.launch:hover { transform: scale(1.05); }
.launch:active { transform: scale(.96); }
.launch:focus-visible { outline: 3px solid var(--bg); outline-offset: -6px; }
.launch svg { inline-size: 28px; block-size: 28px; grid-area: 1 / 1; transition: opacity .15s, transform .2s; }
.launch .i-x { opacity: 0; transform: rotate(-45deg) scale(.7); }
.open .launch .i-x { opacity: 1; transform: none; }
.open .launch .i-chat { opacity: 0; transform: rotate(45deg) scale(.7); }
.badge { position: absolute; inset-block-start: -3px; inset-inline-end: -3px; min-inline-size: 22px; padding: 0 6px; border-radius: 11px; background: #d43c2f; color: #fff; font-size: 12px; font-weight: 650; line-height: 22px; text-align: center; box-shadow: 0 0 0 2px var(--bg); }

.peek { position: absolute; inset-block-end: 74px; inset-inline-end: 0; inline-size: max-content; max-inline-size: min(290px, calc(100vw - 40px)); display: flex; align-items: flex-start; background: var(--bg); border-radius: 16px; border-end-end-radius: 5px; box-shadow: var(--shadow); animation: rise .25s ease-out; }
.peek .say { padding: 12px 0 12px 16px; padding-inline: 16px 0; text-align: start; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; border-radius: 12px; }
.peek .no { flex: none; inline-size: 36px; block-size: 40px; display: grid; place-items: center; color: var(--quiet); border-radius: 12px; }
.peek .no svg { inline-size: 15px; block-size: 15px; }
:host([position="left"]) .peek { inset-inline: 0 auto; border-end-end-radius: 16px; border-end-start-radius: 5px; }
:host([position="left"]) .launch { margin-inline: 0 auto; }

.panel { position: absolute; inset-block-end: 76px; inset-inline-end: 0; display: flex; flex-direction: column; inline-size: var(--tandem-width, 392px); max-inline-size: calc(100vw - 2 * var(--gap)); block-size: min(var(--tandem-height, 660px), calc(100vh - 116px)); block-size: min(var(--tandem-height, 660px), calc(100dvh - 116px)); background: var(--bg); border-radius: var(--radius); box-shadow: var(--shadow); overflow: hidden; visibility: hidden; opacity: 0; transform: translateY(14px) scale(.98); transform-origin: 100% 100%; transition: opacity .16s, transform .2s cubic-bezier(.2, .9, .3, 1), visibility 0s .2s; }
.open .panel { visibility: visible; opacity: 1; transform: none; transition-delay: 0s; }
:host([position="left"]) .panel { inset-inline: 0 auto; transform-origin: 0 100%; }

header { flex: none; display: flex; align-items: center; gap: 12px; padding: 16px 12px 16px 18px; padding-inline: 18px 12px; background: var(--accent); color: var(--on-accent); }
header .who { flex: 1; min-inline-size: 0; }
h2 { margin: 0; font-size: 16.5px; font-weight: 650; line-height: 1.3; letter-spacing: -.005em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
header p { margin: 1px 0 0; font-size: 13px; line-height: 1.35; opacity: .82; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
header .mark { flex: none; inline-size: 40px; block-size: 40px; border-radius: 50%; display: grid; place-items: center; background: color-mix(in srgb, var(--on-accent) 16%, transparent); }
header .mark svg { inline-size: 24px; block-size: 24px; }
header button { inline-size: 40px; block-size: 40px; border-radius: 50%; display: grid; place-items: center; }
header button:hover { background: color-mix(in srgb, var(--on-accent) 14%, transparent); }
header button:focus-visible { outline-color: var(--on-accent); outline-offset: -2px; }
header button svg { inline-size: 20px; block-size: 20px; }

.note { flex: none; padding: 7px 18px; font-size: 13px; background: var(--surface); color: var(--quiet); border-block-end: 1px solid var(--line); }
.body { position: relative; flex: 1; min-block-size: 0; display: flex; flex-direction: column; }
.log { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 18px 16px 10px; scrollbar-width: thin; scrollbar-color: var(--line) transparent; display: flex; flex-direction: column; }
.day { align-self: center; margin: 16px 0 2px; font-size: 12px; color: var(--quiet); }


.log > :first-child { margin-block-start: 0; }
.m { display: grid; grid-template-columns: 30px minmax(0, 1fr); column-gap: 8px; margin-block-start: 14px; justify-items: start; animation: rise .22s ease-out; }
.still .m { animation: none; }
.m > * { grid-column: 2; max-inline-size: min(100%, 300px); }
.m .from { font-size: 12px; color: var(--quiet); margin: 0 0 3px 2px; }
.m .face { grid-column: 1; grid-row: 1 / span 9; align-self: start; margin-block-start: 21px; inline-size: 30px; block-size: 30px; border-radius: 50%; display: grid; place-items: center; background: color-mix(in oklab, var(--link) 16%, var(--bg)); color: var(--link); font-size: 13px; font-weight: 650; }
.m .face svg { inline-size: 18px; block-size: 18px; }
.m.sys { display: block; text-align: center; font-size: 13px; color: var(--quiet); padding-inline: 20px; overflow-wrap: anywhere; }
.m.more { margin-block-start: 4px; }
.m.more .from, .m.more .face { display: none; }
.m.me { grid-template-columns: minmax(0, 1fr); justify-items: end; }
.m.me > * { grid-column: 1; max-inline-size: min(86%, 300px); }
.b { padding: 9px 14px; border-radius: 18px; background: var(--surface); overflow-wrap: anywhere; white-space: pre-wrap; }
.m:not(.me) .b { border-start-start-radius: 6px; }
.m.more:not(.me) .b, .b + .b { border-start-start-radius: 18px; }
.m > .b ~ .b, .m > .pic ~ .b, .m > .b ~ .pic, .m > .file ~ *, .m > .b ~ .file { margin-block-start: 4px; }
.me .b { background: var(--accent); color: var(--on-accent); border-end-end-radius: 6px; }
.b a { color: var(--link); text-decoration: underline; text-underline-offset: 2px; unicode-bidi: isolate; border-radius: 3px; }
.me .b a { color: inherit; }
.me.pending .b { opacity: .72; }
.meta { font-size: 12px; color: var(--quiet); margin: 4px 4px 0; display: none; gap: 8px; align-items: center; }
.tail .meta, .failed .meta, .slow .meta { display: flex; }
.failed .meta { color: var(--bad); }
.meta button { font-weight: 600; text-decoration: underline; text-underline-offset: 2px; color: var(--ink); border-radius: 4px; }

.picks { display: flex; flex-wrap: wrap; gap: 7px; margin-block-start: 8px; max-inline-size: 100%; }
.pick { display: inline-flex; align-items: center; gap: 6px; min-block-size: 38px; padding: 7px 15px; border-radius: 19px; border: 1.5px solid color-mix(in oklab, var(--link) 42%, var(--bg)); color: var(--link); background: var(--bg); font-size: 14.5px; font-weight: 550; line-height: 1.35; text-align: start; text-decoration: none; overflow-wrap: anywhere; transition: background .12s, border-color .12s, color .12s; }
.pick:hover { background: color-mix(in oklab, var(--link) 10%, var(--bg)); border-color: var(--link); }
.pick:active { background: color-mix(in oklab, var(--link) 18%, var(--bg)); }
.pick svg { flex: none; inline-size: 14px; block-size: 14px; stroke-width: 2.2; }
.pick.done { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.old .pick:not(.done) { border-color: var(--line); color: var(--quiet); }
.old .pick:not(.done):hover { color: var(--link); border-color: var(--link); }

.pic { display: block; max-inline-size: 240px; border-radius: 16px; overflow: hidden; background: var(--surface); line-height: 0; position: relative; }
.pic img { display: block; max-inline-size: 100%; max-block-size: 260px; min-block-size: 40px; min-inline-size: 60px; object-fit: cover; }
audio, video { max-inline-size: 100%; border-radius: 14px; }
.file { display: flex; align-items: center; gap: 11px; padding: 10px 14px 10px 11px; padding-inline: 11px 14px; border: 1px solid var(--line); border-radius: 16px; background: var(--bg); color: inherit; text-decoration: none; max-inline-size: 280px; position: relative; overflow: hidden; }
a.file:hover { border-color: var(--link); }
.file .ico { flex: none; display: grid; place-items: center; inline-size: 36px; block-size: 36px; border-radius: 10px; background: color-mix(in oklab, var(--link) 14%, var(--bg)); color: var(--link); }
.file .ico svg { inline-size: 19px; block-size: 19px; }
.file .nm { font-size: 14px; line-height: 1.35; font-weight: 550; overflow: hidden; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow-wrap: anywhere; }
.file .sz { font-size: 12px; color: var(--quiet); }
.bar { position: absolute; inset-inline: 0; inset-block-end: 0; block-size: 4px; background: rgb(128 128 128 / .25); }
.bar i { display: block; block-size: 100%; inline-size: var(--p, 0%); background: var(--link); transition: inline-size .2s; }
.pic .bar i { background: #fff; }

.cards { display: flex; gap: 10px; overflow-x: auto; scroll-snap-type: x proximity; scrollbar-width: none; max-inline-size: none; inline-size: calc(100% + 16px); margin-inline-end: -16px; margin-block-start: 6px; padding: 2px 16px 4px 0; }
.cards.one { inline-size: 100%; margin-inline-end: 0; padding-inline-end: 0; }
.m > .cards { max-inline-size: none; }
.card { flex: none; inline-size: 232px; scroll-snap-align: start; border: 1px solid var(--line); border-radius: 16px; overflow: hidden; background: var(--bg); display: flex; flex-direction: column; }
.cards.one .card { inline-size: min(270px, 100%); }
.card .img { display: block; block-size: 132px; background: var(--surface); }
.card img { display: block; inline-size: 100%; block-size: 132px; object-fit: cover; }
.card .in { padding: 11px 14px 13px; display: flex; flex-direction: column; gap: 2px; flex: 1; }
.card .t { font-weight: 620; line-height: 1.35; overflow-wrap: anywhere; color: inherit; text-decoration: none; }
a.t:hover { text-decoration: underline; }
.card .d { font-size: 14px; color: var(--quiet); white-space: pre-wrap; overflow-wrap: anywhere; }
.card .picks { margin-block-start: auto; padding-block-start: 10px; flex-direction: column; }
.card .pick { justify-content: center; text-align: center; }

.typing { display: flex; align-items: center; gap: 8px; padding: 0 16px 8px 16px; }
.typing span { display: inline-flex; gap: 4px; padding: 12px 14px; margin-inline-start: 38px; background: var(--surface); border-radius: 18px; border-start-start-radius: 6px; }
.typing i { inline-size: 6px; block-size: 6px; border-radius: 50%; background: var(--quiet); animation: dot 1.2s infinite ease-in-out; }
.typing i:nth-child(2) { animation-delay: .15s; }
.typing i:nth-child(3) { animation-delay: .3s; }

.newer { position: absolute; inset-block-end: 10px; inset-inline: 0; margin: 0 auto; inline-size: max-content; display: flex; align-items: center; gap: 6px; padding: 7px 14px; border-radius: 18px; font-size: 13px; font-weight: 600; background: var(--ink); color: var(--bg); box-shadow: 0 4px 14px rgb(0 0 0 / .2); }
.newer svg { inline-size: 14px; block-size: 14px; stroke-width: 2.4; }

form { flex: none; margin: 0 12px calc(12px + env(safe-area-inset-bottom, 0px) * var(--full, 0)); display: flex; align-items: flex-end; gap: 2px; padding: 4px; border: 1.5px solid var(--line); border-radius: 25px; background: var(--bg); transition: border-color .12s; }
form:focus-within { border-color: var(--link); }
textarea { flex: 1; min-inline-size: 0; resize: none; border: 0; background: none; padding: 8px 4px 8px 10px; padding-inline: 10px 4px; line-height: 1.45; max-block-size: 132px; block-size: 38px; overflow-y: auto; scrollbar-width: thin; }
textarea::placeholder { color: var(--quiet); opacity: 1; }
textarea:focus-visible { outline: none; }
form button { flex: none; inline-size: 40px; block-size: 40px; border-radius: 50%; display: grid; place-items: center; color: var(--quiet); transition: background .12s, color .12s; }
form button svg { inline-size: 21px; block-size: 21px; }
form button:hover { color: var(--ink); background: var(--surface); }
form .go { background: var(--surface); color: var(--quiet); }
form .go:not([aria-disabled="true"]) { background: var(--accent); color: var(--on-accent); }
form .go svg { inline-size: 19px; block-size: 19px; }
:host([dir="rtl"]) .go svg { transform: scaleX(-1); }
.why { flex: none; margin: 0 20px 6px; font-size: 13px; color: var(--bad); }
.drop { position: absolute; inset: 8px; border-radius: 14px; display: grid; place-items: center; text-align: center; padding: 20px; border: 2px dashed var(--link); color: var(--link); background: color-mix(in srgb, var(--bg) 92%, transparent); font-weight: 600; pointer-events: none; }

@keyframes rise { from { opacity: 0; transform: translateY(7px); } }
@keyframes dot { 0%, 60%, 100% { transform: none; opacity: .45; } 30% { transform: translateY(-4px); opacity: 1; } }
@media (max-width: 480px) {
  :host { --gap: 16px; }
  .panel { --full: 1; position: fixed; inset: 0; inset-block-start: var(--top, 0px); inline-size: 100%; max-inline-size: none; block-size: var(--tall, 100dvh); border-radius: 0; box-shadow: none; transform: translateY(24px); }
  .open .launch { visibility: hidden; }
  header { padding-block-start: calc(12px + env(safe-area-inset-top, 0px)); padding-block-end: 12px; }
  textarea { font-size: 16px; }
}
@media (prefers-reduced-motion: reduce) { *, *::before { animation: none !important; transition: none !important; scroll-behavior: auto !important; } .typing i { opacity: .7; } }
@media (forced-colors: active) { .b, .pick, .file, .card, form, .panel, .launch { border: 1px solid; } }
`;

  /* ---- small tools ---- */

  const h = (tag, props, ...kids) => {
    const el = document.createElement(tag);
    for (const [key, value] of Object.entries(props || {})) {
      if (value == null || value === false) continue;
      if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
      else el.setAttribute(key, value === true ? "" : value);
    }
    el.append(...kids.flat().filter(kid => kid != null && kid !== false));
    return el;
  };

  const SVG = "http://www.w3.org/2000/svg";
  const icon = (kind, ...paths) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    if (kind) svg.setAttribute("class", kind);
    for (const d of paths) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", d);
      svg.append(path);
    }
    return svg;
  };
  const ICONS = {
    chat: ["M13.5 4H8.2A5.2 5.2 0 0 0 3 9.2v1.6A5.2 5.2 0 0 0 8.2 16H9v3.2L12.8 16h.7a5.2 5.2 0 0 0 5.2-5.2V9.2A5.2 5.2 0 0 0 13.5 4Z", "M21 11.5v1.2a5 5 0 0 1-3.4 4.8v2.7l-2.5-2.2"],
    x: ["M6 6l12 12", "M18 6 6 18"],
    down: ["M6 9l6 6 6-6"],
    send: ["M4.5 12h14", "M12.5 5.5 19 12l-6.5 6.5"],
    clip: ["M20 11.2l-8 8a5 5 0 0 1-7.1-7.1l8.3-8.3a3.4 3.4 0 0 1 4.8 4.8l-8.3 8.3a1.7 1.7 0 0 1-2.4-2.4l7.4-7.4"],
    file: ["M14 3H7a1.8 1.8 0 0 0-1.8 1.8v14.4A1.8 1.8 0 0 0 7 21h10a1.8 1.8 0 0 0 1.8-1.8V7.8Z", "M14 3v4.8h4.8"],
    out: ["M9 6h9v9", "M18 6 7 17"],
    pin: ["M12 21s-6.5-5.6-6.5-11a6.5 6.5 0 0 1 13 0c0 5.400-6.5 11-6.5 11Z", "M12 12.200a2.200 2.200 0 1 0 0-4.400 2.200 2.200 0 0 0 0 4.400Z"],
  };
  const draw = name => icon(`i-${name}`, ...ICONS[name]);

  /** An address that may be opened, or nothing. */
  const safe = (address, base) => {
    try {
      const url = new URL(address, base);
      return ["https:", "http:", "mailto:", "tel:"].includes(url.protocol) ? url.href : null;
    } catch {
      return null;
    }
  };

  const outward = (href, props, ...kids) =>
    h("a", { href, target: "_blank", rel: "noopener noreferrer", ...props }, ...kids);

  const LINK = /\b(?:https?:\/\/|www\.)[^\s<>"'`，。！？；：、（）【】《》「」『』]+|\bmailto:[^\s<>"]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\btel:\+?[\d-]{5,}/gi;

  /** Text with its addresses made links: text nodes and anchors, nothing else. */
  const rich = text => {
    const nodes = [];
    let from = 0;
    for (const match of text.matchAll(LINK)) {
      let word = match[0].replace(/[.,!?;:…]+$/, "");
      while (word.endsWith(")") && !word.includes("(")) word = word.slice(0, -1);
      const plain = /^www\./i.test(word) ? `https://${word}` : word;
      const href = safe(/^[\w.+-]+@/.test(word) ? `mailto:${word}` : plain);
      if (!href) continue;
      nodes.push(text.slice(from, match.index), outward(href, null, word));
      from = match.index + word.length;
    }
    nodes.push(text.slice(from));
    return nodes;
  };

  const uid = () =>
    crypto.randomUUID
      ? crypto.randomUUID()
      : Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, "0")).join("");

  /** Storage that may be forbidden: then it holds as long as the page. */
  const keep = (area, name) => {
    let memory = null;
    return {
      get() {
        try {
          memory = JSON.parse(window[area].getItem(name)) ?? memory;
        } catch { /* forbidden or not ours */ }
        return memory || {};
      },
      set(value) {
        memory = value;
        try {
          window[area].setItem(name, JSON.stringify(value));
        } catch { /* forbidden or full */ }
      },
      patch(change) {
        this.set({ ...this.get(), ...change });
      },
    };
  };

  const bytes = size => {
    const units = ["B", "kB", "MB", "GB"];
    let unit = 0;
    while (size >= 1000 && unit < 3) {
      size /= 1024;
      unit += 1;
    }
    return `${size < 10 && unit ? Math.round(size * 10) / 10 : Math.round(size)} ${units[unit]}`;
  };

  /** Black or white, whichever is readable on this. */
  const contrast = color => {
    const [r, g, b] = [1, 3, 5].map(i => parseInt(color.slice(i, i + 2), 16) / 255)
      .map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.3 ? "#16201c" : "#ffffff";
  };

  /* ---- the line to the server ---- */

  /**
   * Keeps a conversation in step with the server: a session, a socket that comes back by itself
   * (plain requests where sockets are blocked), and a queue that sends one message at a time until
   * each is acknowledged, so that order holds and nothing is lost or said twice.
   */
  class Line {
    constructor(server, account, on) {
      this.base = `${server}/web/${encodeURIComponent(account)}`;
      this.on = on;
      this.store = keep("localStorage", `tandem:${server}:${account}`);
      this.unsent = keep("sessionStorage", `tandem:${server}:${account}:unsent`);
      this.queue = (this.unsent.get().queue || []).map(said => ({ said }));
      this.cursor = null;
      this.ready = false;
      this.wanted = false;
      this.tries = 0;
      this.failures = 0;
      this.identity = null;
    }

    get token() {
      return this.store.get().token;
    }

    connect() {
      this.wanted = true;
      if (!this.socket && !this.timer && !this.busy && !this.polling) this.open();
    }

    /** Now rather than later: the network is back, or somebody looks. */
    nudge() {
      if (!this.wanted || this.ready) return;
      clearTimeout(this.timer);
      this.timer = null;
      this.connect();
    }

    stop() {
      this.wanted = false;
      this.ready = false;
      clearTimeout(this.timer);
      this.timer = null;
      this.era = (this.era || 0) + 1;
      this.polling = false;
      this.socket?.close();
      this.socket = null;
      clearInterval(this.beat);
    }

    async open() {
      const era = this.era;
      this.busy = true;
      try {
        if (!this.token || this.identity) await this.session();
      } catch (error) {
        this.busy = false;
        return this.later(error.wait);
      }
      this.busy = false;
      if (!this.wanted || era !== this.era) return;
      // Sockets that never once opened are blocked somewhere on the way.
      if (this.failures >= 3 && !this.opened) return this.poll();
      const socket = new WebSocket(`${this.base.replace(/^http/, "ws")}/socket`);
      this.socket = socket;
      socket.onopen = () => {
        this.opened = true;
        socket.send(JSON.stringify({ type: "hello", token: this.token, after: this.cursor }));
      };
      socket.onmessage = event => this.socket === socket && this.hear(JSON.parse(event.data));
      socket.onclose = event => {
        if (this.socket !== socket) return;
        this.socket = null;
        this.failures += 1;
        clearInterval(this.beat);
        if (event.code === 4401) this.store.patch({ token: null });
        this.later();
      };
    }

    later(wait) {
      if (this.ready) this.on.state(false);
      this.ready = false;
      if (!this.wanted) return;
      // Half fixed, half chance, so that a restarted server is not run over.
      const pause = Math.min(30000, 400 * 2 ** this.tries);
      this.tries += 1;
      this.on.state(false);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        this.timer = null;
        this.connect();
      }, Math.max(wait || 0, pause / 2 + Math.random() * pause / 2));
    }

    async call(path, options = {}) {
      const response = await fetch(this.base + path, {
        ...options,
        headers: { ...(this.token ? { authorization: `Bearer ${this.token}` } : {}), ...options.headers },
        credentials: "omit",
      });
      const body = await response.json().catch(() => ({}));
      if (response.ok) return body;
      const error = new Error(body.error?.message || response.statusText);
      error.status = response.status;
      error.code = body.error?.code;
      error.wait = 1000 * (Number(response.headers.get("retry-after")) || 0);
      throw error;
    }

    settings() {
      return this.call("/settings");
    }

    async session() {
      const body = JSON.stringify({ token: this.token, identity: this.identity });
      let session;
      try {
        session = await this.call("/session", { method: "POST", body, headers: { "content-type": "application/json" } });
      } catch (error) {
        if (!this.identity || error.status !== 403) throw error;
        console.warn("Tandem: the identity was refused:", error.message);
        this.identity = null;
        return this.session();
      }
      this.identity = null;
      const before = this.store.get().visitor;
      this.store.patch({ token: session.token, visitor: session.visitor });
      // Under an expired token, what was just written still wants to be said.
      if (before && before !== session.visitor) this.forget(!session.user);
    }

    /** Somebody else's conversation begins. */
    forget(keep) {
      this.cursor = null;
      if (!keep) this.queue = [];
      for (const job of this.queue) job.el = null;
      this.save();
      this.store.patch({ seen: null, begun: false });
      this.on.reset();
    }

    hear(frame) {
      this.heard = Date.now();
      switch (frame.type) {
        case "ready":
          if (frame.token) this.store.patch({ token: frame.token });
          this.store.patch({ visitor: frame.visitor });
          break;
        case "synced":
          this.synced();
          break;
        case "message":
          this.line(frame);
          break;
        case "ack":
          this.acknowledged(frame.client_id);
          break;
        case "typing":
          this.on.typing();
          break;
        case "error":
          this.refused(frame);
          break;
      }
    }

    synced() {
      this.ready = true;
      this.tries = 0;
      this.failures = 0;
      this.flight = null;
      clearInterval(this.beat);
      this.beat = setInterval(() => this.check(), 5000);
      this.on.state(true);
      this.on.synced();
      this.next();
    }

    /** A connection can be dead without saying so. */
    check() {
      const silent = Date.now() - this.heard;
      if (silent > 40000) this.socket?.close();
      else if (silent > 25000 && !document.hidden) this.frame({ type: "ping" });
      if (this.flight && Date.now() - this.flownAt > 10000) this.resend();
    }

    line(line) {
      this.cursor = line.id;
      if (line.client_id) this.acknowledged(line.client_id);
      this.store.patch({ begun: true });
      this.on.line(line);
    }

    frame(frame) {
      if (this.ready && this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
    }

    /** Puts a message at the end of the queue. */
    say(said, job) {
      this.queue.push(Object.assign(job || {}, { said: { client_id: uid(), ...said } }));
      this.save();
      this.connect();
      this.next();
      return this.queue.at(-1);
    }

    save() {
      this.unsent.patch({ queue: this.queue.map(job => job.said) });
    }

    next() {
      if (!this.ready || this.flight || !this.queue.length) return;
      this.flight = this.queue[0];
      this.flownAt = Date.now();
      const { said } = this.flight;
      if (!this.socket) return this.post(said);
      const { action, ...rest } = said;
      this.frame(action ? { type: "action", ...rest, ...action } : { type: "message", ...rest });
    }

    async post(said) {
      try {
        await this.call("/messages", { method: "POST", body: JSON.stringify(said), headers: { "content-type": "application/json" } });
        this.acknowledged(said.client_id);
      } catch (error) {
        if (!error.status || error.status === 429 || error.status >= 500) setTimeout(() => this.resend(), error.wait || 2000);
        else this.refused({ client_id: said.client_id, code: error.code, message: error.message });
      }
    }

    resend() {
      this.flight = null;
      this.next();
    }

    acknowledged(id) {
      const at = this.queue.findIndex(job => job.said.client_id === id);
      if (at < 0) return;
      const [job] = this.queue.splice(at, 1);
      this.save();
      if (this.flight === job) this.flight = null;
      this.on.sent(job);
      this.next();
    }

    refused(error) {
      if (error.retry_after_ms != null) {
        if (this.flight) setTimeout(() => this.resend(), error.retry_after_ms + 50 + Math.random() * 200);
        return;
      }
      const at = this.queue.findIndex(job => job.said.client_id === error.client_id);
      if (at < 0) return;
      const [job] = this.queue.splice(at, 1);
      this.save();
      if (this.flight === job) this.flight = null;
      this.on.failed(job, error.code);
      this.next();
    }

    /** Without sockets: ask, wait, ask again. */
    async poll() {
      const era = this.era;
      let first = true;
      this.polling = true;
      try {
        while (this.wanted && era === this.era) {
          const query = new URLSearchParams({ wait: first ? 0 : 25000 });
          if (this.cursor) query.set("after", this.cursor);
          const { messages } = await this.call(`/messages?${query}`);
          if (era !== this.era) return;
          messages.forEach(line => this.line(line));
          if (first || !this.ready) this.synced();
          first = false;
        }
      } catch (error) {
        if (era !== this.era) return;
        this.polling = false;
        if (error.status === 401) this.store.patch({ token: null });
        this.later(error.wait);
      }
    }

    /** Sends a file's bytes; gives what to put into a message. */
    async upload(file, progress) {
      if (!this.token) await this.session();
      return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open("POST", `${this.base}/files`);
        request.responseType = "json";
        request.setRequestHeader("authorization", `Bearer ${this.token}`);
        request.setRequestHeader("x-file-name", encodeURIComponent(file.name || "file"));
        request.setRequestHeader("content-type", "application/octet-stream");
        request.upload.onprogress = event => event.lengthComputable && progress(event.loaded / event.total);
        request.onload = () =>
          request.status === 201
            ? resolve(request.response)
            : reject(Object.assign(new Error("upload"), { code: request.response?.error?.code, status: request.status }));
        request.onerror = () => reject(new Error("upload"));
        request.send(file);
      });
    }
  }

  /* ---- what is seen ---- */

  class TandemChat extends HTMLElement {
    connectedCallback() {
      if (this.line) {
        this.line.connect();
        return;
      }
      const root = this.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
      this.sheet = sheet;
      root.adoptedStyleSheets = [sheet];
      this.server = (this.getAttribute("server") || location.origin).replace(/\/+$/, "");
      this.account = this.getAttribute("account") || "web";
      this.els = new Map();
      this.mine = new Map();
      this.settings = {};
      this.unread = 0;
      this.language = this.pickLocale();
      this.line = new Line(this.server, this.account, {
        state: up => this.showState(up),
        synced: () => this.synced(),
        line: line => this.show(line),
        sent: job => this.mark(job.el, "sent"),
        failed: (job, code) => this.mark(job.el, "failed", code, job),
        typing: () => this.showTyping(),
        reset: () => this.clear(),
      });
      this.seenId = this.line.store.get().seen;
      this.build(root);
      this.words();
      this.watch();
      this.start();
    }

    disconnectedCallback() {
      this.line?.stop();
    }

    t(key, ...args) {
      const text = (TEXTS[this.language.split(/[-_]/)[0]] || TEXTS.en)[key];
      return typeof text === "function" ? text(...args) : text;
    }

    pickLocale() {
      return this.getAttribute("locale") || document.documentElement.lang || navigator.language || "en";
    }

    /** The words of a text that may come in several languages. */
    say(text) {
      if (!text || typeof text === "string") return text;
      const tags = Object.keys(text);
      const short = this.language.split(/[-_]/)[0];
      const tag = tags.find(t => t === this.language) || tags.find(t => t.split(/[-_]/)[0] === short) || tags[0];
      return text[tag];
    }

    build(root) {
      const on = this;
      this.launch = h("button", { class: "launch", type: "button", "aria-expanded": "false", "aria-controls": "panel", onclick: () => on.toggle() }, draw("chat"), draw("x"));
      this.badge = h("span", { class: "badge", hidden: true });
      this.launch.append(this.badge);
      this.head = h("h2", { id: "title" });
      this.subtitle = h("p");
      this.closer = h("button", { type: "button", onclick: () => on.close() }, draw("down"));
      this.note = h("div", { class: "note", role: "status", hidden: true });
      this.log = h("div", { class: "log still", role: "log", "aria-live": "off", tabindex: "0", onscroll: () => on.scrolled() });
      this.typing = h("div", { class: "typing", hidden: true }, h("span", null, h("i"), h("i"), h("i")), h("b", { class: "sr", role: "status" }));
      this.newer = h("button", { class: "newer", type: "button", hidden: true, onclick: () => on.toEnd(true) }, h("span"), draw("down"));
      this.why = h("div", { class: "why", role: "alert", hidden: true });
      this.text = h("textarea", { rows: "1", enterkeyhint: "send", autocomplete: "off", oninput: () => on.typed(), onkeydown: event => on.key(event), onpaste: event => on.pasted(event) });
      this.picker = h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", onchange: () => { on.take(on.picker.files); on.picker.value = ""; } });
      this.clip = h("button", { type: "button", class: "clip", hidden: true, onclick: () => on.picker.click() }, draw("clip"));
      this.go = h("button", { type: "submit", class: "go", "aria-disabled": "true" }, draw("send"));
      this.form = h("form", { onsubmit: event => { event.preventDefault(); on.submit(); } }, this.clip, this.picker, this.text, this.go);
      this.dropping = h("div", { class: "drop", hidden: true });
      this.body = h("div", { class: "body" }, this.log, this.typing, this.newer);
      this.panel = h("section", { class: "panel", id: "panel", role: "dialog", "aria-labelledby": "title" },
        h("header", null, h("span", { class: "mark" }, draw("chat")), h("div", { class: "who" }, this.head, this.subtitle), this.closer),
        this.note, this.body, this.why, this.form, this.dropping);
      this.box = h("div", { class: "box" }, this.panel, this.launch);
      root.append(this.box);
      this.addEventListener("keydown", event => {
        if (event.key === "Escape" && this.isOpen && !event.isComposing) {
          event.stopPropagation();
          this.close();
        }
      });
      let inside = 0;
      this.panel.addEventListener("dragenter", event => { if (on.hasFiles(event)) { inside += 1; on.dropping.hidden = false; } });
      this.panel.addEventListener("dragleave", () => { inside = Math.max(0, inside - 1); on.dropping.hidden = !inside; });
      this.panel.addEventListener("dragover", event => on.hasFiles(event) && event.preventDefault());
      this.panel.addEventListener("drop", event => {
        inside = 0;
        on.dropping.hidden = true;
        if (!on.hasFiles(event)) return;
        event.preventDefault();
        on.take(event.dataTransfer.files);
      });
    }

    hasFiles(event) {
      return !!this.settings.files && event.dataTransfer?.types?.includes("Files");
    }

    /** Every fixed text, in the language of now. */
    words() {
      this.setAttribute("lang", this.language);
      const rtl = /^(ar|fa|he|ur)\b/.test(this.language);
      this.setAttribute("dir", rtl ? "rtl" : "ltr");
      const { settings } = this;
      this.head.textContent = this.getAttribute("heading") || this.say(settings.title) || this.t("title");
      this.subtitle.textContent = this.say(settings.subtitle) || this.t("subtitle");
      this.closer.setAttribute("aria-label", this.t("close"));
      this.log.setAttribute("aria-label", this.t("log"));
      this.text.placeholder = this.t("placeholder");
      this.text.setAttribute("aria-label", this.t("write"));
      this.clip.setAttribute("aria-label", this.t("attach"));
      this.clip.title = this.t("attach");
      this.go.setAttribute("aria-label", this.t("send"));
      this.newer.firstChild.textContent = this.t("newer");
      this.dropping.textContent = this.t("drop");
      this.typing.lastChild.textContent = "";
      this.showUnread();
      this.greet();
    }

    watch() {
      addEventListener("online", () => this.line.nudge());
      addEventListener("offline", () => this.showState(false));
      document.addEventListener("visibilitychange", () => {
        if (document.hidden) return;
        this.line.nudge();
        this.seen();
      });
      if (!this.hasAttribute("locale")) {
        new MutationObserver(() => this.locale(document.documentElement.lang))
          .observe(document.documentElement, { attributes: true, attributeFilter: ["lang"] });
      }
      // A phone's keyboard covers the page without making it smaller.
      const view = window.visualViewport;
      const fit = () => {
        const covered = innerWidth <= 480 && view.height < innerHeight - 80;
        this.panel.style.setProperty("--tall", covered ? `${view.height}px` : "");
        this.panel.style.setProperty("--top", covered ? `${view.offsetTop}px` : "");
        if (covered && this.pinned) this.toEnd();
      };
      view?.addEventListener("resize", fit);
      view?.addEventListener("scroll", fit);
      new ResizeObserver(() => this.atEnd && this.toEnd()).observe(this.log);
    }

    async start() {
      const kept = this.line.store.get();
      if (!(await this.load())) return;
      for (const job of this.line.queue) this.pending(job);
      const pages = this.settings.page_after || [];
      const started = Date.now();
      const url = location.href;
      for (const seconds of pages.slice(0, 10)) {
        setTimeout(() => {
          if (location.href !== url) return;
          const page = { type: "page", url, seconds: Math.round((Date.now() - started) / 1000), locale: this.language };
          if (this.live) this.line.frame(page);
          else this.page = page;
        }, Math.max(seconds, 1) * 1000);
      }
      if (kept.begun || pages.length || this.line.queue.length) this.line.connect();
      const asked = new URLSearchParams(location.search).get("tandem") === "open";
      // Who was in a conversation stays in it from page to page, where it does not cover the page.
      const stayed = this.line.unsent.get().open && innerWidth > 480;
      if (asked || this.hasAttribute("open")) this.open();
      else if (stayed) this.open(true);
      this.emit("ready");
    }

    /** Asks how this account looks; false where it has no chat here. */
    async load() {
      try {
        this.settings = await this.line.settings();
        this.loaded = true;
      } catch (error) {
        if (error.status === 403 || error.status === 404) {
          this.hidden = true;
          console.warn(`Tandem: no chat for the account "${this.account}" on this page:`, error.message);
          return false;
        }
        // Out of reach for now: asked again once connected.
        return true;
      }
      const color = this.getAttribute("color") || this.settings.color;
      if (/^#[\da-f]{6}$/i.test(color || "")) {
        this.sheet.insertRule(`:host { --accent: var(--tandem-accent, ${color}); --on-accent: var(--tandem-on-accent, ${contrast(color)}); }`, this.sheet.cssRules.length);
      }
      const { files } = this.settings;
      this.clip.hidden = !files;
      if (files) this.picker.accept = files.types.join(",");
      this.words();
      return true;
    }

    emit(name, detail) {
      this.dispatchEvent(new CustomEvent(name, { detail }));
      dispatchEvent(new CustomEvent(`tandem:${name}`, { detail }));
    }

    /* opening and closing */

    toggle() {
      if (this.isOpen) this.close();
      else this.open();
    }

    open(quietly) {
      if (this.isOpen) return;
      this.isOpen = true;
      this.line.unsent.patch({ open: true });
      this.box.classList.add("open");
      this.launch.setAttribute("aria-expanded", "true");
      this.peek?.remove();
      this.line.connect();
      this.toEnd();
      this.seen();
      // On a phone the keyboard would hide what there is to read.
      const target = matchMedia("(pointer: coarse)").matches ? this.closer : this.text;
      if (!quietly) requestAnimationFrame(() => target.focus({ preventScroll: true }));
      this.showUnread();
      this.emit("open");
    }

    close() {
      if (!this.isOpen) return;
      this.isOpen = false;
      this.line.unsent.patch({ open: false });
      this.box.classList.remove("open");
      this.launch.setAttribute("aria-expanded", "false");
      this.launch.focus({ preventScroll: true });
      this.showUnread();
      this.emit("close");
    }

    /* writing */

    typed() {
      const { text } = this;
      text.style.setProperty("block-size", "auto");
      text.style.setProperty("block-size", `${Math.min(text.scrollHeight, 132)}px`);
      const empty = !text.value.trim();
      this.go.setAttribute("aria-disabled", String(empty));
      this.why.hidden = true;
      if (!empty && Date.now() - (this.typedAt || 0) > 3000) {
        this.typedAt = Date.now();
        this.line.frame({ type: "typing" });
      }
    }

    key(event) {
      // While an input method composes, Enter chooses a word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.submit();
    }

    pasted(event) {
      const files = [...(event.clipboardData?.files || [])];
      if (!files.length || !this.settings.files) return;
      event.preventDefault();
      this.take(files);
    }

    submit() {
      const text = this.text.value.trim();
      if (!text) return;
      if (new TextEncoder().encode(text).length > (this.settings.text_max || 16384)) return this.complain("tooLong");
      this.text.value = "";
      this.typed();
      this.send(text);
    }

    complain(key, ...args) {
      this.why.textContent = this.t(key, ...args);
      this.why.hidden = false;
    }

    send(text) {
      this.pending(this.line.say({ text, locale: this.language }));
    }

    press(choice, button) {
      button.classList.add("done");
      this.pending(this.line.say({ action: { value: choice.value, label: choice.label }, locale: this.language }));
      this.refocus();
    }

    /** Back to writing; not on a phone, whose keyboard would hide what there is to read. */
    refocus() {
      if (!matchMedia("(pointer: coarse)").matches) this.text.focus({ preventScroll: true });
    }

    take(files) {
      const { files: rule } = this.settings;
      if (!rule) return;
      for (const file of [...files].slice(0, 10)) {
        if (file.size > rule.max_bytes) this.complain("tooBig", bytes(rule.max_bytes));
        else this.attach(file);
      }
    }

    /** Shows the file at once, uploads it, then sends it. */
    async attach(file) {
      this.why.hidden = true;
      const url = URL.createObjectURL(file);
      const el = this.message({ author: { kind: "contact" }, parts: [{ type: "media", media: file.type.startsWith("image/") ? "image" : "file", url, local: true, mime: file.type, name: file.name, size: file.size }] });
      const bar = h("div", { class: "bar", role: "progressbar", "aria-label": this.t("uploading"), "aria-valuemin": "0", "aria-valuemax": "100" }, h("i"));
      el.querySelector(".pic, .file")?.append(bar);
      el.classList.add("pending", "slow");
      this.status(el, this.t("uploading"));
      this.log.append(el);
      this.toEnd();
      const run = async () => {
        try {
          this.line.connect();
          const stored = await this.line.upload(file, part => {
            bar.setAttribute("aria-valuenow", Math.round(part * 100));
            bar.firstChild.style.setProperty("--p", `${part * 100}%`);
          });
          bar.remove();
          this.track(this.line.say({ files: [stored.ref], locale: this.language }, { el }));
        } catch (error) {
          const why = { file_type: "badType", too_large: "tooBig" }[error.code];
          this.mark(el, "failed", why && (why === "tooBig" ? this.t(why, bytes(this.settings.files.max_bytes)) : this.t(why)), null, why ? null : run);
        }
      };
      run();
    }

    /* what was said */

    /** A message of the visitor's that is on its way. */
    pending(job) {
      const { said } = job;
      const text = said.text || said.action?.label || said.action?.value;
      job.el ||= this.message({ author: { kind: "contact" }, parts: text ? [{ type: "text", text }] : [{ type: "media", media: "file", name: "…" }] });
      this.log.append(job.el);
      this.track(job);
      this.toEnd();
    }

    track(job) {
      this.mine.set(job.said.client_id, job.el);
      this.greeting?.classList.add("old");
      this.mark(job.el, "pending");
      // Only what takes long says so.
      setTimeout(() => {
        if (!job.el.classList.contains("pending")) return;
        job.el.classList.add("slow");
        if (this.atEnd) this.toEnd();
      }, 1200);
    }

    mark(el, state, code, job, again) {
      if (!el) return;
      el.classList.remove("pending", "failed", "slow");
      el.classList.toggle("pending", state === "pending");
      el.classList.toggle("failed", state === "failed");
      if (state === "failed") {
        el.querySelector(".bar")?.remove();
        const final = job ? ["too_long", "bad_file", "bad_request", "empty"].includes(code) : !again;
        const words = job ? (code === "too_long" ? this.t("tooLong") : final ? this.t("notSent") : this.t("failed")) : code || this.t("failed");
        const retry = () => {
          this.mark(el, "pending");
          if (again) again();
          else this.track(this.line.say({ ...job.said }, { el }));
        };
        this.status(el, words, !final && h("button", { type: "button", onclick: retry }, this.t("retry")));
      } else {
        this.status(el, this.t(state === "pending" ? "sending" : "sent"));
        if (state === "sent") this.tail(el);
      }
    }

    status(el, ...kids) {
      const meta = el.querySelector(".meta") || el.appendChild(h("div", { class: "meta" }));
      meta.replaceChildren(...kids.filter(Boolean));
      if (this.atEnd) this.toEnd();
    }

    /** Only the visitor's last message says that it was sent. */
    tail(el) {
      this.log.querySelectorAll(".tail").forEach(other => other.classList.remove("tail"));
      el.classList.add("tail");
    }

    /** A line of the transcript. */
    show(line) {
      if (this.els.has(line.id)) return;
      this.greeting?.classList.add("old");
      const own = line.author.kind === "contact";
      let el = own && this.mine.get(line.client_id);
      const known = !!el;
      el ||= this.message(line);
      this.els.set(line.id, el);
      const pinned = this.pinned;
      // What is on its way stays below what has been said.
      const first = [...this.log.children].find(kid => kid.classList.contains("pending") && kid !== el);
      if (!known || first) this.log.insertBefore(el, first || null);
      this.separate(el, line.at);
      this.group(el);
      this.last = { id: line.id, own };
      if (own) {
        this.mark(el, "sent");
      } else {
        this.hideTyping();
        this.log.querySelectorAll(".m:not(.old) .picks").forEach(picks => {
          const of = picks.closest(".m");
          if (of !== el) of.classList.add("old");
        });
        if (this.live || (this.seenId && this.past)) this.arrived(line);
      }
      if (line.id === this.seenId) this.past = true;
      if (pinned || (own && !this.live)) this.toEnd();
      else if (this.live) this.newer.hidden = false;
      if (this.live) this.emit("message", { id: line.id, author: line.author.kind, text: line.parts.map(p => p.text || "").join("\n") });
    }

    arrived(line) {
      if (this.isOpen && !document.hidden) return this.seen();
      this.unread += 1;
      this.showUnread();
      const text = line.parts.map(part => part.text || part.title || part.name || "").find(Boolean);
      if (this.isOpen || !text || !this.live) return;
      this.peek?.remove();
      this.peek = h("div", { class: "peek" },
        h("button", { class: "say", type: "button", dir: "auto", onclick: () => this.open() }, text.slice(0, 240)),
        h("button", { class: "no", type: "button", "aria-label": this.t("dismiss"), onclick: () => this.peek.remove() }, draw("x")));
      this.box.append(this.peek);
    }

    separate(el, at) {
      const day = new Date(at).toDateString();
      if (day === this.day) return;
      this.day = day;
      const today = new Date();
      const yesterday = new Date(Date.now() - 864e5).toDateString();
      const name = day === today.toDateString() ? this.t("today")
        : day === yesterday ? this.t("yesterday")
        : new Date(at).toLocaleDateString(this.language, { weekday: "long", day: "numeric", month: "long" });
      el.before(h("div", { class: "day", role: "separator" }, name));
    }

    /** Lines of one speaker stand together. */
    group(el) {
      let before = el.previousElementSibling;
      const same = before?.dataset.by === el.dataset.by && !before.querySelector(".picks, .cards");
      el.classList.toggle("more", !!same);
    }

    message(line) {
      const { kind, name } = line.author;
      const own = kind === "contact";
      if (kind === "system") return h("div", { class: "m sys", dir: "auto" }, ...rich(line.parts.map(part => part.text || "").join("\n")));
      const speaker = own ? this.t("you") : name || this.t(kind === "agent" ? "agent" : "bot");
      const time = line.at && new Date(line.at).toLocaleTimeString(this.language, { hour: "2-digit", minute: "2-digit" });
      const el = h("div", { class: own ? "m me" : "m" });
      el.dataset.by = kind + (name || "");
      if (own) el.append(h("span", { class: "sr" }, `${speaker}: `));
      else el.append(h("span", { class: "face", "aria-hidden": "true" }, name ? [...name][0].toUpperCase() : draw("chat")),
        h("div", { class: "from" }, time ? `${speaker} · ${time}` : speaker));
      const cards = line.parts.filter(part => part.type === "card");
      for (const part of line.parts) {
        if (part.type === "text" && part.text) el.append(h("div", { class: "b", dir: "auto" }, ...rich(part.text)));
        else if (part.type === "media") el.append(this.media(part));
        else if (part.type === "location") el.append(this.place(part));
        else if (part === cards[0]) {
          const row = h("div", { class: cards.length > 1 ? "cards" : "cards one", ...(cards.length > 1 && { tabindex: "0", role: "group", "aria-label": this.t("scroll") }) }, cards.map(card => this.card(card)));
          el.append(row);
        }
      }
      if (line.choices?.length) el.append(this.picks(line.choices));
      return el;
    }

    picks(choices) {
      const made = choices.map(choice => {
        if (choice.url || !choice.value) {
          const href = choice.url && safe(choice.url, this.server);
          return href && outward(href, { class: "pick" }, choice.label, draw("out"), h("span", { class: "sr" }, ` (${this.t("newTab")})`));
        }
        const button = h("button", { class: "pick", type: "button", dir: "auto", onclick: () => this.press(choice, button) }, choice.label);
        return button;
      });
      return h("div", { class: "picks", role: "group", "aria-label": this.t("options") }, made);
    }

    media(part) {
      const href = part.local ? part.url : part.url && safe(part.url, this.server);
      if (href && part.media === "image") {
        const img = h("img", { src: href, alt: part.alt || part.name || "", loading: part.local ? null : "lazy", onload: () => this.pinned && this.toEnd() });
        const pic = part.local ? h("span", { class: "pic" }, img) : outward(href, { class: "pic" }, img);
        img.addEventListener("error", () => pic.replaceWith(this.media({ ...part, media: "file" })));
        return pic;
      }
      if (href && (part.media === "audio" || part.media === "video") && !part.local) {
        return h(part.media, { src: href, controls: true, preload: "metadata", "aria-label": part.alt || part.name });
      }
      const inside = [h("span", { class: "ico" }, draw("file")),
        h("span", null, h("span", { class: "nm", dir: "auto" }, part.name || part.alt || part.mime || ""), part.size != null && h("span", { class: "sz" }, bytes(part.size)))];
      return href && !part.local ? outward(href, { class: "file" }, ...inside) : h("div", { class: "file" }, ...inside);
    }

    place(part) {
      const href = `https://www.openstreetmap.org/?mlat=${+part.lat}&mlon=${+part.lon}#map=16/${+part.lat}/${+part.lon}`;
      return outward(href, { class: "file" }, h("span", { class: "ico" }, draw("pin")), h("span", { class: "nm" }, part.name || `${+part.lat}, ${+part.lon}`));
    }

    card(card) {
      const image = card.image && safe(card.image, this.server);
      const href = card.url && safe(card.url, this.server);
      const img = image && h("img", { src: image, alt: "", loading: "lazy" });
      img?.addEventListener("error", () => img.parentNode.remove());
      return h("article", { class: "card" }, img && h("div", { class: "img" }, img),
        h("div", { class: "in" },
          href ? outward(href, { class: "t", dir: "auto" }, card.title) : h("div", { class: "t", dir: "auto" }, card.title),
          card.text && h("div", { class: "d", dir: "auto" }, ...rich(card.text)),
          card.choices?.length && this.picks(card.choices)));
    }

    /** What is said before anyone has written; no part of the conversation. */
    greet() {
      const text = this.say(this.settings.greeting);
      const old = this.greeting;
      if (!text) return;
      this.greeting = this.message({ author: { kind: "bot" }, parts: [{ type: "text", text }] });
      const offers = this.say(this.settings.suggestions) || [];
      if (offers.length) {
        this.greeting.append(h("div", { class: "picks", role: "group", "aria-label": this.t("options") },
          offers.slice(0, 8).map(offer => h("button", { class: "pick", type: "button", dir: "auto", onclick: () => { this.send(offer); this.refocus(); } }, offer))));
      }
      if (this.els.size || this.mine.size) this.greeting.classList.add("old");
      if (old) old.replaceWith(this.greeting);
      else this.log.prepend(this.greeting);
    }

    clear() {
      this.els.clear();
      this.mine.clear();
      this.log.replaceChildren();
      this.greeting = null;
      this.day = null;
      this.live = false;
      this.unread = 0;
      this.log.classList.add("still");
      this.log.setAttribute("aria-live", "off");
      this.greet();
      for (const job of this.line.queue) this.pending(job);
      this.showUnread();
    }

    /* where the reader is */

    get pinned() {
      const { scrollHeight, scrollTop, clientHeight } = this.log;
      return scrollHeight - scrollTop - clientHeight < 80;
    }

    toEnd(smooth) {
      this.atEnd = true;
      this.log.scrollTo({ top: this.log.scrollHeight, behavior: smooth ? "smooth" : "auto" });
      this.newer.hidden = true;
    }

    scrolled() {
      this.atEnd = this.pinned;
      if (this.atEnd) this.newer.hidden = true;
    }

    /** What was missed is here: from now on, arriving lines are spoken and counted. */
    synced() {
      if (!this.live) {
        this.live = true;
        this.toEnd();
        requestAnimationFrame(() => {
          this.log.classList.remove("still");
          this.log.setAttribute("aria-live", "polite");
        });
      }
      if (!this.loaded) this.load();
      if (this.page) this.line.frame(this.page);
      this.page = null;
      this.seen();
    }

    seen() {
      if (!this.isOpen || document.hidden || !this.live || !this.last) return;
      const { id, own } = this.last;
      this.unread = 0;
      this.showUnread();
      if (this.line.store.get().seen === id) return;
      this.line.store.patch({ seen: id });
      this.seenId = id;
      clearTimeout(this.receipt);
      // One receipt for a burst of lines.
      if (!own) this.receipt = setTimeout(() => this.line.frame({ type: "read", id }), 800);
    }

    showUnread() {
      const n = this.isOpen ? 0 : this.unread;
      this.badge.hidden = !n;
      this.badge.textContent = n > 99 ? "99+" : String(n);
      const label = this.t(this.isOpen ? "close" : "open");
      this.launch.setAttribute("aria-label", n ? `${label} (${this.t("unread", n)})` : label);
      this.emit("unread", { count: n });
    }

    showTyping() {
      const pinned = this.pinned;
      this.typing.hidden = false;
      this.typing.lastChild.textContent = this.t("typing");
      if (pinned) this.toEnd();
      clearTimeout(this.typingTimer);
      this.typingTimer = setTimeout(() => this.hideTyping(), 6000);
    }

    hideTyping() {
      clearTimeout(this.typingTimer);
      this.typing.hidden = true;
      this.typing.lastChild.textContent = "";
    }

    showState(up) {
      clearTimeout(this.noteTimer);
      this.noteTimer = null;
      if (up) {
        this.note.hidden = true;
        return;
      }
      const tell = () => {
        if (this.line.ready && navigator.onLine) return;
        this.note.textContent = this.t(navigator.onLine ? "reconnecting" : "offline");
        this.note.hidden = false;
      };
      // A blink of the line is nobody's worry.
      if (navigator.onLine) this.noteTimer = setTimeout(tell, 1500);
      else tell();
    }

    /* for the page */

    /** Who is logged in, signed by the business; nothing for nobody. */
    identify(identity) {
      if (!identity) return this.reset();
      this.line.identity = identity;
      // Who does not chat need not connect.
      if (!this.line.wanted) return;
      this.line.stop();
      this.line.connect();
    }

    /** Ends the visit on this browser: after a logout. */
    reset() {
      this.line.stop();
      this.line.store.set({});
      this.line.forget();
      if (this.isOpen) this.line.connect();
    }

    locale(tag) {
      if (!tag || tag === this.language) return;
      this.language = tag;
      this.words();
    }
  }

  customElements.define("tandem-chat", TandemChat);

  const begin = () => {
    let chat = document.querySelector("tandem-chat");
    if (!chat) {
      chat = document.createElement("tandem-chat");
      const data = SCRIPT?.dataset || {};
      const set = (name, value) => value != null && chat.setAttribute(name, value);
      set("server", data.server || (SCRIPT?.src && new URL(SCRIPT.src).origin));
      set("account", data.account);
      set("locale", data.locale);
      set("position", data.position);
      set("color", data.color);
      set("heading", data.title);
      set("theme", data.theme);
      set("open", data.open);
      document.body.append(chat);
    }
    const early = Array.isArray(window.Tandem) ? window.Tandem : [];
    const api = {
      element: chat,
      open: () => chat.open(),
      close: () => chat.close(),
      toggle: () => chat.toggle(),
      send: text => {
        const words = String(text).trim();
        if (words) chat.send(words);
      },
      identify: identity => chat.identify(identity),
      reset: () => chat.reset(),
      locale: tag => chat.locale(tag),
      on: (event, listener) => chat.addEventListener(event, listener),
      off: (event, listener) => chat.removeEventListener(event, listener),
      push: ([method, ...args]) => api[method]?.(...args),
    };
    window.Tandem = api;
    early.forEach(call => api.push(call));
  };
  if (document.body) begin();
  else document.addEventListener("DOMContentLoaded", begin);
})();
