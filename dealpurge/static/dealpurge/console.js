"use strict";

// The pages work without this: it saves reloading, a second click and some typing.
(() => {
    const POLL_MILLISECONDS = 1000;

    function submitOnce(form) {
        form.addEventListener("submit", (event) => {
            if (form.dataset.dpSent) {
                event.preventDefault();
                return;
            }
            form.dataset.dpSent = "yes";
            form.querySelectorAll("button").forEach((button) => button.classList.add("dp-sent"));
        });
    }

    // Named deals may be too many for the address that brings a form back behind a login: what this very form held.
    function keepDeals(form) {
        const store = "dealpurge-deals";
        const field = form.querySelector("textarea");
        const asked = new URLSearchParams(location.search).get("kept_key");
        const [key, deals] = JSON.parse(sessionStorage.getItem(store) || "[]");
        sessionStorage.removeItem(store);
        if (asked && asked === key && !field.value) field.value = deals;
        const own = Array.from(crypto.getRandomValues(new Uint8Array(8)), (n) => n.toString(16).padStart(2, "0")).join("");
        form.elements.kept_key.value = own;
        form.addEventListener("submit", () => {
            try {
                sessionStorage.setItem(store, JSON.stringify([own, field.value]));
            } catch (error) {
                // They are more than it holds.
            }
        });
    }

    // A page that the back button brings back must be usable again, and must not show what is over.
    function wakeUp(event) {
        if (!event.persisted) return;
        if (document.querySelector(".dp-apply, [data-dp-poll]")) {
            location.reload();
            return;
        }
        document.querySelectorAll("form[data-dp-sent]").forEach((form) => {
            delete form.dataset.dpSent;
            form.querySelectorAll("button").forEach((button) => button.classList.remove("dp-sent"));
        });
    }

    const ANNOUNCE_MILLISECONDS = 10000;
    let announced = { phase: null, at: performance.now() };

    function show(state) {
        for (const name of ["badge", "progress", "outlook", "trouble"]) {
            document.getElementById(`dp-${name}`).textContent = state[name];
        }
        document.getElementById("dp-trouble").hidden = !state.trouble;
        document.getElementById("dp-phases").innerHTML = state.html;
        // A screen reader is not told of every second.
        const now = performance.now();
        if (announced.phase !== state.phase || now - announced.at >= ANNOUNCE_MILLISECONDS) {
            announced = { phase: state.phase, at: now };
            document.getElementById("dp-said").textContent = `${state.progress} ${state.outlook}`;
        }
    }

    async function poll(address) {
        try {
            const response = await fetch(address, { credentials: "same-origin", redirect: "manual" });
            // Logged out, or no longer allowed: the page itself says so best.
            if (!response.ok) {
                if (response.type === "opaqueredirect" || response.status === 403) location.reload();
                throw new Error(response.statusText);
            }
            const state = await response.json();
            if (state.over) {
                location.reload();
                return;
            }
            show(state);
        } catch (error) {
            // The server may be restarting: the next poll will tell.
        }
        setTimeout(poll, POLL_MILLISECONDS, address);
    }

    function offerCopy(block) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "dp-copy";
        button.textContent = block.dataset.dpCopy || "Copy";
        button.addEventListener("click", async () => {
            const text = block.querySelector("code").textContent;
            try {
                await navigator.clipboard.writeText(text);
                button.classList.add("dp-copied");
                setTimeout(() => button.classList.remove("dp-copied"), 1500);
            } catch (error) {
                getSelection().selectAllChildren(block.querySelector("code"));
            }
        });
        const wrapper = document.createElement("div");
        wrapper.className = "dp-copyable";
        block.replaceWith(wrapper);
        wrapper.append(block, button);
    }

    // What "all that match" means for the rows in sight; a row that is left out takes it back.
    function selectAll(form) {
        const all = form.querySelector(".dp-all");
        const rows = form.querySelectorAll("input[name=deals]");
        all.addEventListener("change", () => rows.forEach((row) => (row.checked = all.checked)));
        rows.forEach((row) => row.addEventListener("change", () => (all.checked = all.checked && row.checked)));
    }

    // In place, so that what was typed below stays.
    function toggleSample(link) {
        link.addEventListener("click", (event) => {
            event.preventDefault();
            const row = link.closest("tr"), sample = row.nextElementSibling, open = sample.hidden;
            sample.hidden = !open;
            row.classList.toggle("dp-open", open);
            link.textContent = open ? link.dataset.dpHide : link.dataset.dpShow;
            link.setAttribute("aria-expanded", open);
            link.setAttribute("aria-label", `${link.dataset.dpName}: ${link.textContent}`);
        });
    }

    document.querySelectorAll("form[data-dp-once]").forEach(submitOnce);
    document.querySelectorAll("form[data-dp-keep]").forEach(keepDeals);
    document.querySelectorAll("[data-dp-copy]").forEach(offerCopy);
    document.querySelectorAll(".dp-choose").forEach(selectAll);
    document.querySelectorAll("[data-dp-show]").forEach(toggleSample);
    const polled = document.querySelector("[data-dp-poll]");
    if (polled) setTimeout(poll, POLL_MILLISECONDS, polled.dataset.dpPoll);
    window.addEventListener("pageshow", wakeUp);
})();
