"use strict";
document.getElementById("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const [name, password] = [form.elements.name.value, form.elements.password.value];
  const answer = await Console.send("POST", "/api/session", { name, password });
  if (answer.ok) {
    window.location.assign("/");
    return;
  }
  const said = document.getElementById("said");
  const wait = form.dataset.wait.replace("{seconds}", answer.retry);
  said.textContent = answer.status === 429 ? wait : form.dataset.wrong;
  said.hidden = false;
});
