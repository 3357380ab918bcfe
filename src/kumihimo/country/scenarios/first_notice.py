"""The first notice (最初のお知らせ): X市 tells 総務花子 that her child benefit was granted; it lies in her inbox in My Portal."""

from __future__ import annotations

import base64
from typing import Any, Final

from kumihimo.country.institution_api import ApiDesk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF, FirstCase
from kumihimo.domain.kernel import SystemClock

PATIENCE_SECONDS: Final = 30.0
_SHEET: Final = "児童手当の支給\n\n支払月：2月・4月・6月・8月・10月・12月\n支払日：10日（休日のときは、その前の平日）\n"


def play(country: Country, case: FirstCase) -> dict[str, Any]:
    """Send it, and wait until the portal has it; how far it is then. Raises Problem where it does not get there."""
    desk = ApiDesk.of(country, "x-city")
    reference = f"kodomo-{SystemClock().now():%Y%m%d%H%M%S}"
    desk.send(
        {
            "reference": reference,
            "staff": STAFF,
            "content": {
                "kind": "decision",
                "title": {"ja": "児童手当を支給します", "en": "Your child allowance was granted"},
                "body": {
                    "ja": "{name}様\n\n児童手当の認定請求を認定しました。所得証明書は、Y市に直接たしかめたので、いりません。\n\n"
                    "支給月額：{amount}円\n\n振込先を変えたいときは、この画面から返信してください。",
                    "en": "Your application was granted. You need no income certificate: we asked Y City ourselves.\n\n"
                    "Monthly amount: {amount} yen.\n\nTo change the account it is paid into, answer this notice.",
                },
                "reply": True,
                "attachments": [
                    {
                        "name": "支払日.txt",
                        "media_type": "text/plain",
                        "content": base64.b64encode(_SHEET.encode()).decode(),
                    }
                ],
            },
            "recipients": [
                {
                    "addressee_number": case.addressee.addressee_number,
                    "values": {"name": f"{case.person.name.family}{case.person.name.given}", "amount": "10,000"},
                }
            ],
        }
    )
    return desk.delivered(reference, PATIENCE_SECONDS)
