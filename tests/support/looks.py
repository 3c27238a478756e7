"""Measures, by what a browser computed, how a page looks."""

from __future__ import annotations

#: Arithmetic of WCAG: the ratio of two colours, and what is painted behind an element.
COLOURS = """
    const rgba = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
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

#: What is drawn and stands out by less than 3 to 1: borders of buttons and fields, icons, frames, bars.
FAINT = (
    "() => {"
    + COLOURS
    + """
    const drawn = "#content :is(.dp-icon, .dp-fill, .dp-ask, .dp-risk), "
        + ".dp-page #content :is(.button, input:not([type=hidden]), select, textarea, progress)";
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

#: Words that are cut off, or run over what stands beside them.
CUT = (
    "() => {"
    + COLOURS
    + """
    const cut = [];
    const worded = ".dp-page #content :is(.button, .dp-badge, th, td, dd, dt, h1, h2)";
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
