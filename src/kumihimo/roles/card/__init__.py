"""The IC card and everything around it (個人番号カード): chip, terminal, reader, ordinances, the home-PC host."""
