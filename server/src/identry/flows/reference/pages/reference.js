"use strict";

// Follow the system's theme; the viewer's dark rules hang on this class.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// A session opened on this page authorises the page's further calls. It lives in memory only: a reload forgets it.
const opensSession = /\/auth\/(login|refresh|mfa\/verify|invitations\/accept)$/;

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 3,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
  responseInterceptor(response) {
    if (response.ok && opensSession.test(new URL(response.url, location.href).pathname)) {
      const session = response.body && response.body.data;
      if (session && session.accessToken) {
        ui.preauthorizeApiKey("bearer", session.accessToken);
        const who = session.user ? ` as ${session.user.email}` : "";
        document.getElementById("session").textContent = `Signed in${who}. Further calls send the token.`;
      }
    }
    return response;
  },
});
