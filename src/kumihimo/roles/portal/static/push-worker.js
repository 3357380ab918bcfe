// Shows that there is a notice; who wrote and about what is on the page after the log-in.
self.addEventListener("push", (event) => {
  event.waitUntil(self.registration.showNotification("マイ・ポータル / My Portal", { body: "お知らせがあります / You have a notice", tag: "notice" }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.openWindow("/notices"));
});
