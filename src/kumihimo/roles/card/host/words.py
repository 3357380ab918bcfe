"""The words of the PIN window (窓の文言), in Japanese and English: plain, and the same for every site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.host.person import Prompt, WhichPin
from kumihimo.roles.card.host.requests import Authenticate, GetSigningCertificate, Language, Request, Sign

_GROUP: Final = 4


@dataclass(frozen=True)
class Words:
    """One language."""

    title: str
    asks: str
    heading: dict[type[Request], str]
    meaning: dict[type[Request], str]
    digest: str
    looking: str
    pin: dict[WhichPin, str]
    tries: str
    last_try: str
    show: str
    go_on: str
    cancel: str
    close: str
    working: str
    waiting: str
    problems: dict[str, str]
    other_problem: str

    def problem(self, problem: Problem) -> str:
        """What to tell a person about a problem."""
        return self.problems.get(problem.code) or self.other_problem.format(code=problem.code)

    def tries_left(self, prompt: Prompt) -> str:
        """How many tries are left, in a way that makes one stop before the last."""
        return self.last_try if prompt.tries_left == 1 else self.tries.format(count=prompt.tries_left)

    def explained(self, request: Request) -> str:
        """What saying yes means, with the digest's first digits where something is signed."""
        text = self.meaning[type(request)]
        if isinstance(request, Sign):
            digits = request.digest.hex().upper()
            groups = " ".join(digits[at : at + _GROUP] for at in range(0, 8 * _GROUP, _GROUP))
            text += "\n" + self.digest.format(function=request.hash_function, digits=groups)
        return text


JAPANESE: Final = Words(
    title="カードの暗証番号",
    asks="あなたに求めているサイト",
    heading={
        Authenticate: "カードでログインします",
        GetSigningCertificate: "署名用の証明書をサイトに渡します",
        Sign: "文書に電子署名をします",
    },
    meaning={
        Authenticate: "カードの持ち主であることだけをサイトに示します。氏名や住所は伝わりません。",
        GetSigningCertificate: "証明書に書かれた氏名・住所・生年月日・性別がサイトに伝わります。",
        Sign: "押印や署名と同じ意味があります。内容をサイトの画面で確かめてください。",
    },
    digest="文書の照合用の番号（{function}の初めの部分）\n{digits}",
    looking="カードを確かめています…",
    pin={
        "authentication": "利用者証明用の暗証番号（数字4けた）",
        "signature": "署名用の暗証番号（英数字6〜16文字）",
    },
    tries="あと{count}回まちがえると使えなくなります。",
    last_try="あと1回まちがえると使えなくなります。自信がなければ「やめる」を押してください。",
    show="入力した文字を表示する",
    go_on="続ける",
    cancel="やめる",
    close="閉じる",
    working="カードが計算しています。カードを動かさないでください…",
    waiting="準備ができると自動で続きます。",
    problems={
        "card.unavailable": "この端末ではカードを使う仕組み（PC/SC）が動いていません。",
        "card.no_reader": "カードリーダーが見つかりません。つないでください。",
        "card.none": "カードをリーダーに置いてください。",
        "card.gone": "カードが途中で外れました。もう一度リーダーに置いてください。",
        "card.wrong": "このカードは個人番号カードではありません。入れ替えてください。",
        "card.busy": "ほかのプログラムがカードを使っています。終わるのを待っています。",
        "card.pin_wrong": "暗証番号がちがいます。",
        "card.pin_format": "暗証番号の形がちがいます。回数は減っていません。",
        "card.pin_blocked": "暗証番号が使えなくなっています（ロック）。市区町村の窓口で解除してください。",
        "host.certificate_differs": "証明書を渡したときと別のカードです。初めのカードで、やり直してください。",
    },
    other_problem="カードを使えませんでした（{code}）。",
)

ENGLISH: Final = Words(
    title="PIN of your card",
    asks="The site that asks you",
    heading={
        Authenticate: "Log in with your card",
        GetSigningCertificate: "Show your signature certificate to the site",
        Sign: "Sign a document",
    },
    meaning={
        Authenticate: "The site learns only that the card's holder is here: neither name nor address.",
        GetSigningCertificate: "The site learns what stands in it: name, address, date of birth and sex.",
        Sign: "It means as much as your seal or handwritten signature. Check the text on the site's page.",
    },
    digest="Number of the document to compare (beginning of {function})\n{digits}",
    looking="Looking at the card…",
    pin={
        "authentication": "PIN for user authentication (4 digits)",
        "signature": "Password for signatures (6 to 16 letters and digits)",
    },
    tries="{count} wrong tries lock it.",
    last_try="One more wrong try locks it. If you are not sure, press Cancel.",
    show="Show what I type",
    go_on="Continue",
    cancel="Cancel",
    close="Close",
    working="The card is at work. Please do not move it…",
    waiting="This goes on by itself when ready.",
    problems={
        "card.unavailable": "The system service for cards (PC/SC) is not running on this computer.",
        "card.no_reader": "No card reader was found. Please plug one in.",
        "card.none": "Please put your card on the reader.",
        "card.gone": "The card was pulled out. Please put it on the reader again.",
        "card.wrong": "This is not an Individual Number card. Please put in another card.",
        "card.busy": "Another program is using the card. Waiting until it is done.",
        "card.pin_wrong": "That was not the PIN.",
        "card.pin_format": "That does not look like this PIN. No try was used.",
        "card.pin_blocked": "The PIN is locked. Any municipality's office can unlock it.",
        "host.certificate_differs": "This is not the card whose certificate was shown. Start again with the first card.",
    },
    other_problem="The card could not be used ({code}).",
)

_LANGUAGES: Final[dict[Language, Words]] = {"ja": JAPANESE, "en": ENGLISH}


def words_of(language: Language) -> Words:
    """The words of a language."""
    return _LANGUAGES[language]
