"""What a script did that the documented interface does not have, or that nobody may do to a real project."""


class FakeRefusal(AssertionError):
    """A call, an argument or a key outside the documentation. Also kept with the fake, so that no handler hides it."""
