"""The home-PC host (利用者クライアント): the program between the browser and the card reader, in Web eID's protocol.

The browser's extension starts it for one command and talks to it over standard input and output. It asks the person for the
PIN in a window of its own, so that no web page ever sees one, and holds the card alone while it does.
"""
