// Hovering over the image names what is there: gradio's AnnotatedImage does so from its legend only.
(() => {
  const pixels = new WeakMap(); // image element -> {source, data, width, height}

  function pixelsOf(mask) {
    const known = pixels.get(mask);
    if (known && known.source === mask.src) return known;
    if (!mask.complete || !mask.naturalWidth) return null;
    const canvas = document.createElement("canvas");
    canvas.width = mask.naturalWidth;
    canvas.height = mask.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(mask, 0, 0);
    const drawn = context.getImageData(0, 0, canvas.width, canvas.height);
    // Whether the region covers a pixel is all that counts.
    const covered = new Uint8Array(canvas.width * canvas.height);
    for (let place = 0; place < covered.length; place++) covered[place] = drawn.data[4 * place + 3] > 0;
    const found = { source: mask.src, covered, width: canvas.width, height: canvas.height };
    pixels.set(mask, found);
    return found;
  }

  // The smallest region below the pointer: an object before what lies behind it.
  function regionAt(container, event) {
    const base = container.querySelector("img.base-image");
    if (!base || !base.naturalWidth) return -1;
    const frame = base.getBoundingClientRect();
    const scale = Math.min(frame.width / base.naturalWidth, frame.height / base.naturalHeight);
    const width = base.naturalWidth * scale, height = base.naturalHeight * scale; // object-fit: contain
    const x = (event.clientX - frame.left - (frame.width - width) / 2) / width;
    const y = (event.clientY - frame.top - (frame.height - height) / 2) / height;
    if (x < 0 || y < 0 || x >= 1 || y >= 1) return -1;
    let best = -1, smallest = Infinity;
    container.querySelectorAll("img.mask").forEach((mask, number) => {
      const found = pixelsOf(mask);
      if (!found) return;
      const column = Math.floor(x * found.width), row = Math.floor(y * found.height);
      if (!found.covered[row * found.width + column]) return;
      found.area = found.area ?? found.covered.reduce((sum, one) => sum + one, 0);
      if (found.area <= smallest) [best, smallest] = [number, found.area];
    });
    return best;
  }

  const label = document.createElement("div");
  label.id = "hovered-region";
  label.style.cssText = "position:fixed;z-index:1000;pointer-events:none;display:none;padding:4px 8px;" +
    "border-radius:4px;background:rgba(20,22,25,.88);color:#fff;font:14px/1.3 system-ui,sans-serif";
  let lit = null;

  function light(item) {
    if (item === lit) return;
    if (lit) lit.dispatchEvent(new MouseEvent("mouseout", { bubbles: true }));
    if (item) item.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
    lit = item;
  }

  function show(event) {
    const container = event.target.closest?.("#result .image-container");
    if (!container && event.target.closest?.("#result .legend-item")) return; // the legend lights its own
    const number = container ? regionAt(container, event) : -1;
    const item = number < 0 ? null : document.querySelectorAll("#result .legend-item")[number] ?? null;
    light(item);
    label.style.display = item ? "block" : "none";
    if (!item) return;
    label.textContent = item.textContent.trim();
    label.style.left = `${Math.min(event.clientX + 14, innerWidth - label.offsetWidth - 4)}px`;
    label.style.top = `${Math.min(event.clientY + 14, innerHeight - label.offsetHeight - 4)}px`;
  }

  document.addEventListener("DOMContentLoaded", () => document.body.append(label));
  if (document.body) document.body.append(label);
  document.addEventListener("mousemove", show);
})();
