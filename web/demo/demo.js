/* The demo shop: two languages, a basket that only counts, and buttons that talk to the chat. */
"use strict";

const ZH = {
  doc: "云木家居 · 为安静的房间而造",
  skip: "跳到正文",
  bar: "满 €50 免运费 · 30 天内可退货",
  name: "云木家居",
  nav1: "客厅", nav2: "餐厅", nav3: "卧室", nav4: "帮助",
  nav: "商店", basket: "购物车", why: "为什么选择云木",
  eyebrow: "冬季系列",
  headline: "为安静的房间而造",
  lead: "实木、天然织物与温暖的灯光，出自小型工坊，送到您的家门。",
  shop: "查看新品", ask: "有问题？问我们",
  goods: "为漫长的夜晚而选", goodsLead: "六件让顾客一再回购的好物。",
  p1: "鹪鹩扶手椅", d1: "适合阅读的轻巧扶手椅。",
  p2: "月亮台灯", d2: "玻璃灯罩，暖光可调。",
  p3: "天空羊毛毯", d3: "沙发轻盖毯。",
  p4: "露珠花瓶", d4: "人工吹制，每件略有不同。",
  p5: "马克杯四件套", d5: "手工上釉，可用洗碗机。",
  p6: "圆形壁镜", d6: "细橡木框，一颗螺丝即可悬挂。",
  add: "加入购物车", added: "已加入",
  help: "有问题？直接问。",
  helpLead: "智能助手随时为您查订单、办退货、答疑问。遇到难题时，同事会在同一个对话里接手。",
  say1: "我的订单到哪了？", say2: "我想退货", say3: "运费多少？", say4: "我要转人工",
  try: "可用来试用的订单",
  try1: "运输中", try2: "已签收，可退货", try3: "正在打包", try4: "已签收",
  v1: "用心配送", v1d: "送到门口或搬运入户，日期由您选择。",
  v2: "30 天考虑期", v2d: "先用起来再说，不合适我们收回。",
  v3: "经久耐用", v3d: "可维修，每件商品都有备件。",
  foot: "是一家虚构的商店，用来演示 Tandem 聊天组件，页面上的商品均不出售。",
};
const EN = { doc: document.title, added: "In the basket" };
for (const el of document.querySelectorAll("[data-t]")) EN[el.dataset.t] = el.textContent;
for (const el of document.querySelectorAll("[data-l]")) EN[el.dataset.l] = el.getAttribute("aria-label");

let words = EN;

function show(lang) {
  words = lang === "zh" ? ZH : EN;
  document.documentElement.lang = lang;
  document.title = words.doc;
  for (const el of document.querySelectorAll("[data-t]")) {
    el.textContent = el.classList.contains("in") ? words.added : words[el.dataset.t];
  }
  for (const el of document.querySelectorAll("[data-l]")) el.setAttribute("aria-label", words[el.dataset.l]);
  for (const button of document.querySelectorAll("[data-lang]")) {
    button.setAttribute("aria-pressed", String(button.dataset.lang === lang));
  }
  try { localStorage.setItem("demo:lang", lang); } catch { /* not allowed to remember */ }
}

function remembered() {
  try { return localStorage.getItem("demo:lang"); } catch { return null; }
}

const asked = new URLSearchParams(location.search).get("lang") || remembered() || navigator.language;
show(asked.startsWith("zh") ? "zh" : "en");

/* Calls made before the widget has loaded wait for it in an array. */
const chat = (...call) => (window.Tandem = window.Tandem || []).push(call);
let count = 0;

document.addEventListener("click", event => {
  const el = event.target.closest("button");
  if (!el) return;
  if (el.dataset.lang) show(el.dataset.lang);
  if ("chat" in el.dataset) chat("open");
  if (el.dataset.say) {
    chat("open");
    chat("send", words[el.dataset.say]);
  }
  if (el.classList.contains("add") && !el.classList.contains("in")) {
    el.classList.add("in");
    el.textContent = words.added;
    count += 1;
    const badge = document.querySelector(".count");
    badge.textContent = String(count);
    badge.hidden = false;
  }
});
