"""The gateway (中間サーバー・団体内統合宛名, 番号法第二十一条): an institution's door to the platform, as two services.

The ledger knows persons by Individual Number, the exchange knows them by link code, and both know the addressee number.
They are two processes with two stores and two key folders, because neither may learn what the other knows.
"""
