"""The members' outbox: its table, how events are born, what operators do; kits/outbox does the rest."""
