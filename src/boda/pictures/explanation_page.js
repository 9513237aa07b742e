"use strict";
{
  const slider = document.getElementById("opacity");
  slider.parentElement.hidden = false;
  slider.addEventListener("input", () => {
    document.documentElement.style.setProperty("--heat", slider.value / 100);
  });
}
