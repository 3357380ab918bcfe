"""Law (規則): who may ask whom for which item for which affair, on a day. 番号法 第十九条第七号・別表第二.

The rule book is data (`books/*.toml`), held row by row against the Act by a test; its evaluation is pure.
"""

from kumihimo.domain.law.book import RuleBook
from kumihimo.domain.law.decision import Permission, Question, Refusal
from kumihimo.domain.law.entries import Affair, InformationClass, InstitutionClass, Rule, Version

__all__ = [
    "Affair",
    "InformationClass",
    "InstitutionClass",
    "Permission",
    "Question",
    "Refusal",
    "Rule",
    "RuleBook",
    "Version",
]
