"""Measures, by what a browser computed, how a page looks."""

from __future__ import annotations

#: Arithmetic of WCAG: the ratio of two colours, and what is painted behind an element.
COLOURS = """
    // By painting it, since a theme may have its colours in spaces that only a browser knows.
    const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }), known = {};
    const painted = (text) => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = text;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const rgba = (text) => known[text] ??= text === "none" ? [0, 0, 0, 0] : painted(text);
    const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
    const light = (colour) => colour.slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => !element ? [255, 255, 255, 1]
        : over(rgba(getComputedStyle(element).backgroundColor), rgba(getComputedStyle(element).backgroundColor)[3] === 1
            ? [0, 0, 0, 1] : behind(element.parentElement));
    const ratio = (one, other) => {
        const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    };
    const named = (element) => (element.id && `#${element.id} `) + element.tagName.toLowerCase() + "."
        + (element.className.baseVal ?? element.className);
"""

#: Colours that fade from one look to the next have arrived.
SETTLE = """
() => {
    const fading = () => document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    for (let some; (some = fading()).length; ) some.forEach((transition) => transition.finish());
}
"""

#: What is drawn and stands out by less than 3 to 1: borders of buttons and fields, icons, frames, bars.
FAINT = (
    "() => {"
    + COLOURS
    + """
    const drawn = ":is(.dp-icon, .dp-fill, .dp-ask, .dp-risk), "
        + ".dp-content :is(.button, input:not([type=hidden]), select, textarea, progress)";
    const faint = [];
    for (const element of document.querySelectorAll(drawn)) {
        const style = getComputedStyle(element);
        if (!element.checkVisibility() || element.disabled || element.closest(".visually-hidden")) continue;
        const ground = behind(element.parentElement);
        let colours = [];
        if (element.matches(".dp-icon")) colours = [style.stroke];
        else if (element.matches(".dp-fill")) colours = [style.fill];
        else {
            for (const side of ["Left", "Bottom"])
                if (parseFloat(style[`border${side}Width`]) > 0) colours.push(style[`border${side}Color`]);
            colours.push(style.backgroundColor);
            // The platform draws these, to its own rules.
            if (element.matches("[type=checkbox], [type=radio]") && style.appearance !== "none") continue;
        }
        const best = Math.max(0, ...colours.map((c) => ratio(over(rgba(c), ground), ground)));
        if (best < 3) faint.push(`${named(element)}: ${best.toFixed(2)}`);
    }
    return faint;
}
"""
)

#: Words that stand out by less than 4.5 to 1 from the first ground behind them.
PALE = (
    "() => {"
    + COLOURS
    + """
    const pale = [];
    for (const element of document.querySelectorAll(".dp-content *, .dp-where *")) {
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest(".visually-hidden, noscript, option")) continue;
        const ground = behind(element), contrast = ratio(over(rgba(getComputedStyle(element).color), ground), ground);
        if (contrast < 4.5) pale.push(`${named(element)}: "${element.innerText}" has ${contrast.toFixed(2)}`);
    }
    return pale;
}
"""
)

#: Words that are cut off, or run over what stands beside them.
CUT = (
    "() => {"
    + COLOURS
    + """
    const cut = [];
    const worded = ".dp-content :is(.button, .dp-badge, th, td, dd, dt, h1, h2)";
    for (const element of document.querySelectorAll(worded)) {
        if (!element.checkVisibility() || element.closest(".visually-hidden, .dp-stack thead")) continue;
        const box = element.getBoundingClientRect(), home = element.parentElement.getBoundingClientRect();
        const inside = element.scrollWidth - element.clientWidth, beyond = Math.round(box.right - home.right);
        if (inside > 1 && getComputedStyle(element).display !== "inline")
            cut.push(`${named(element)}: ${inside} pixels of "${element.innerText}" cut`);
        else if (beyond > 1 && !element.closest(".dp-scroll"))
            cut.push(`${named(element)}: "${element.innerText}" sticks out by ${beyond} pixels`);
    }
    return cut;
}
"""
)

#: What of ours is wider than the window, so that the page would scroll sideways for it: a theme's own frame may be.
BEYOND = (
    "() => {"
    + COLOURS
    + """
    const beyond = [], aside = ".visually-hidden, .dp-stack thead, .dp-scroll *, pre *";
    for (const element of document.querySelectorAll(".dp-content, .dp-content *, .dp-where, .dp-where *")) {
        if (!element.checkVisibility() || element.closest(aside)) continue;
        const box = element.getBoundingClientRect(), right = Math.round(box.right - innerWidth);
        if (box.width > 2 && (right > 1 || box.left < -1)) beyond.push(`${named(element)}: ${right} pixels out`);
    }
    return beyond;
}
"""
)

#: What a page needs and a theme may not bring: a heading, the strip, buttons and fields that are seen as such, red ones
#: that read, empty bars that are empty, badges with a ground, and nothing that only a screen reader should have.
STANDING = (
    "() => {"
    + COLOURS
    + """
    const wrong = new Set(), clear = (colour) => rgba(colour)[3] === 0;
    const shown = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility());
    const check = (selector, complaint) => shown(selector).forEach((element) => {
        const words = complaint(element, getComputedStyle(element), element.getBoundingClientRect());
        if (words) wrong.add(`${named(element)}: ${words}`);
    });
    const contrast = (e) => ratio(over(rgba(getComputedStyle(e).color), behind(e)), behind(e));
    const written = (e) => !e.closest(".visually-hidden")
        && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const edged = (style) => parseFloat(style.borderBottomWidth) > 0;
    const reds = ([red, green]) => red > 2 * green;

    const headings = shown("h1").filter((e) => e.getBoundingClientRect().height >= 14);
    if (shown(".dp-content").length && !headings.length) wrong.add("no heading is seen");
    if (shown(".dp-where").length !== 1) wrong.add(`${shown(".dp-where").length} strips`);
    check(".dp-content .button", (e, style, box) => box.height < 28 && `${box.height} pixels high`);
    check(".dp-content .button", (e, style) => clear(style.backgroundColor) && !edged(style) && "no button");
    check(".dp-content .dp-danger", (e, style) => !reds(rgba(style.backgroundColor)) && style.backgroundColor);
    const fields = ".dp-content :is(input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea)";
    check(fields, (e, style, box) => (!edged(style) && "no edge") || (box.height < 24 && "too low"));
    check(".dp-content :is([type=checkbox], [type=radio])", (e, style, box) => box.width < 10 && "cannot be seen");
    check(".dp-badge", (e, style) => clear(style.backgroundColor) && !edged(style) && "no ground");
    check(".dp-track", (e, style) => {
        const ground = behind(e.parentElement);
        return ratio(over(rgba(style.fill), ground), ground) > 1.6 && `an empty bar is ${style.fill}`;
    });
    check(".dp-content .visually-hidden", (e, style, box) => box.width > 2 && style.clipPath === "none" && "is seen");
    check(".dp-content :is(.button, h1, h2, td, th, p, dd, dt, label, a, strong, summary, li)", (e) =>
        written(e) && contrast(e) < 4.5 && `"${e.innerText}" has ${contrast(e).toFixed(2)}`);
    check(".dp-content table td", (e, style) => style.display === "table-cell" && e.innerText.trim()
        && parseFloat(style.paddingLeft) < 3 && "no room in cells");
    check(".dp-content h2", (e, style) => parseFloat(style.fontSize) < 12 && "small heading");
    return [...wrong];
}
"""
)
