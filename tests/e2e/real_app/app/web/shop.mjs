const orders = await (await fetch("/api/orders")).json();
document.querySelector("#orders").replaceChildren(
    ...orders.map(({ item, cents }) => Object.assign(document.createElement("li"), { textContent: `${item}: ${cents} ct` })),
);
