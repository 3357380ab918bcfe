"""The PIN window (暗証番号の窓): names the site and what saying yes means, asks, tells, and asks again. With tkinter.

The window lives in the main thread, what is done with the card in another; between them are two queues. Closing the window,
Escape and a page that goes away are all the same "no".
"""

from __future__ import annotations

import queue
import threading
import tkinter as tk
import unicodedata
from collections.abc import Callable
from typing import Any, Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.host.person import Person, Prompt
from kumihimo.roles.card.host.requests import Request
from kumihimo.roles.card.host.words import Words, words_of

_LOOK_MS: Final = 10  # how often the window looks for news from the card
_LOOK_AGAIN_SECONDS: Final = 0.3  # how often a missing card is looked for
_WIDTH: Final = 460  # pixels of text
_FAMILY: Final = "Noto Sans CJK JP"
_INK, _QUIET, _PAPER, _ACCENT, _ALARM = "#1a1a1a", "#4d4d4d", "#ffffff", "#0017c1", "#ce0000"


class _No:
    """What stands in the answers' queue when the person said no."""


def ask_in_window(request: Request, work: Callable[[Person], dict[str, Any]], gone: threading.Event) -> dict[str, Any]:
    """Open the window, do `work` beside it, and give its result; `gone` says that the page went away.

    Raises what `work` raises, and Problem(host.no_window).
    """
    window = _Window(request, gone)
    results: list[dict[str, Any]] = []
    failures: list[BaseException] = []

    def beside() -> None:
        try:
            results.append(work(window))
        except BaseException as error:  # handed to the main thread, whatever it is
            failures.append(error)
        window.news.put(window.close)

    thread = threading.Thread(target=beside, daemon=True)
    thread.start()
    window.run()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


class _Window:
    """A `Person`. The methods of that protocol are called beside the window, all others in its own thread."""

    def __init__(self, request: Request, gone: threading.Event) -> None:
        try:
            self._root = tk.Tk(className="kumihimo-card")
        except tk.TclError:
            raise Problem(
                "host.no_window", "the computer's screen cannot be reached", advice="Use it in a desktop session."
            ) from None
        self.news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[str | _No] = queue.SimpleQueue()
        self._words = words_of(request.language)
        self._gone = gone
        self._build(request, self._words)

    # called beside the window

    def pin(self, prompt: Prompt) -> str:
        self.news.put(lambda: self._show_prompt(prompt))
        return self._answer(self._answers.get())

    def working(self) -> None:
        self.news.put(self._show_working)

    def wait(self, problem: Problem) -> None:
        self.news.put(lambda: self._show_message(self._words.problem(problem), self._words.waiting))
        try:
            self._answer(self._answers.get(timeout=_LOOK_AGAIN_SECONDS))
        except queue.Empty:
            return

    def told(self, problem: Problem) -> None:
        self.news.put(lambda: self._show_end(self._words.problem(problem)))
        self._answers.get()

    def _answer(self, answer: str | _No) -> str:
        if isinstance(answer, _No):
            raise Problem("host.cancelled", "the window was closed without going on")
        return answer

    # called in the window's thread

    def run(self) -> None:
        """Until `close`."""
        self._root.after(0, self._look)
        self._root.mainloop()
        self._root.destroy()

    def close(self) -> None:
        self._root.quit()

    def _look(self) -> None:
        while not self.news.empty():
            self.news.get()()
        if self._gone.is_set():
            self._gone.clear()
            self._root.withdraw()
            self._answers.put(_No())
        self._root.after(_LOOK_MS, self._look)

    def _build(self, request: Request, words: Words) -> None:
        root = self._root
        root.title(words.title)
        root.configure(background=_PAPER, padx=28, pady=22)
        root.resizable(False, False)
        root.protocol("WM_DELETE_WINDOW", self._say_no)
        root.bind("<Escape>", lambda _: self._say_no())
        root.attributes("-topmost", True)
        self._label(words.heading[type(request)], size=16, weight="bold").pack(anchor="w")
        self._label(words.asks, ink=_QUIET).pack(anchor="w", pady=(14, 0))
        self._label(request.origin, size=14, weight="bold", ink=_ACCENT).pack(anchor="w")
        self._label(words.explained(request)).pack(anchor="w", pady=(12, 0))
        self._message = self._label(words.looking, weight="bold")
        self._message.pack(anchor="w", pady=(16, 0))
        self._form = tk.Frame(root, background=_PAPER)
        self._asked = self._label("", parent=self._form)
        self._asked.pack(anchor="w", pady=(12, 2))
        self._typed = tk.StringVar(root)
        self._entry = tk.Entry(
            self._form, textvariable=self._typed, show="●", font=(_FAMILY, 15), width=22, relief="solid", borderwidth=1,
            highlightthickness=2, highlightcolor=_ACCENT, foreground=_INK, background=_PAPER,
        )  # fmt: skip
        self._entry.pack(anchor="w", ipady=5)
        self._entry.bind("<Return>", lambda _: self._say_pin())
        self._shown = tk.BooleanVar(root, value=False)
        tk.Checkbutton(
            self._form, text=words.show, variable=self._shown, command=self._show_typed, font=(_FAMILY, 11),
            background=_PAPER, activebackground=_PAPER, foreground=_INK, highlightbackground=_PAPER,
        ).pack(anchor="w", pady=(4, 0))  # fmt: skip
        buttons = tk.Frame(root, background=_PAPER)
        buttons.pack(side="bottom", anchor="e", pady=(20, 0))
        self._no = self._button(buttons, words.cancel, self._say_no, _PAPER, _INK)
        self._no.pack(side="left", padx=(0, 12))
        self._yes = self._button(buttons, words.go_on, self._say_pin, _ACCENT, _PAPER)
        self._yes.pack(side="left")
        self._yes.configure(state="disabled")
        self._entry.configure(state="disabled", disabledbackground="#f2f2f2")
        self._form.pack(anchor="w", fill="x")  # from the start, so that the window is placed with its whole height
        root.eval("tk::PlaceWindow . center")

    def _label(
        self, text: str, *, parent: tk.Misc | None = None, size: int = 11, weight: str = "normal", ink: str = _INK
    ) -> tk.Label:
        return tk.Label(
            parent or self._root, text=text, font=(_FAMILY, size, weight), foreground=ink, background=_PAPER,
            justify="left", wraplength=_WIDTH,
        )  # fmt: skip

    def _button(self, parent: tk.Misc, text: str, press: Callable[[], None], paper: str, ink: str) -> tk.Button:
        button = tk.Button(
            parent, text=text, command=press, font=(_FAMILY, 12, "bold"), background=paper, foreground=ink,
            activebackground=paper, activeforeground=ink, relief="solid", borderwidth=1, padx=18, pady=6,
            highlightthickness=2, highlightcolor=_ACCENT, highlightbackground=_PAPER,
        )  # fmt: skip
        button.bind("<Return>", lambda _: button.invoke())
        return button

    def _show_prompt(self, prompt: Prompt) -> None:
        words = self._words
        said = f"{words.problem(prompt.notice)}\n" if prompt.notice else ""
        alarming = prompt.notice is not None or prompt.tries_left == 1
        self._message.configure(text=said + words.tries_left(prompt), foreground=_ALARM if alarming else _INK)
        self._asked.configure(text=words.pin[prompt.pin])
        self._typed.set("")
        self._form.pack(anchor="w", fill="x")
        self._entry.configure(state="normal")
        self._yes.configure(state="normal")
        self._root.lift()
        self._entry.focus_force()

    def _show_working(self) -> None:
        self._message.configure(text=self._words.working, foreground=_INK)
        self._entry.configure(state="disabled")
        self._yes.configure(state="disabled")

    def _show_message(self, text: str, below: str) -> None:
        self._form.pack_forget()
        self._typed.set("")
        self._yes.configure(state="disabled")
        self._message.configure(text=f"{text}\n{below}", foreground=_ALARM)
        self._no.focus_set()

    def _show_end(self, text: str) -> None:
        self._form.pack_forget()
        self._typed.set("")
        self._message.configure(text=text, foreground=_ALARM)
        self._yes.pack_forget()
        self._no.configure(text=self._words.close)
        self._no.focus_force()

    def _show_typed(self) -> None:
        self._entry.configure(show="" if self._shown.get() else "●")

    def _say_pin(self) -> None:
        typed = unicodedata.normalize("NFKC", self._typed.get()).strip().upper()
        if typed and self._yes["state"] == "normal":
            self._yes.configure(state="disabled")
            self._typed.set("")
            self._answers.put(typed)

    def _say_no(self) -> None:
        self._answers.put(_No())
