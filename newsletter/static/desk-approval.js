// Keeps what the page says of approvals true: a changed text is approved by nobody yet.

const approving = document.getElementById("approving"); // for those who may

export function takeBack(isBlank) {
  for (const part of document.querySelectorAll("[data-approved]")) part.hidden = true;
  for (const part of document.querySelectorAll("[data-unapproved]")) part.hidden = false;
  if (approving) approving.hidden = isBlank;
}

export function read(version) {
  if (approving) approving.querySelector("form").elements.seen.value = version;
}
