"""What watches a preparation, and remembers."""


class Watcher:
    def __init__(self):
        self.counts, self.notes = [], []

    def preparing(self, what, done, total):
        self.counts.append((what, done, total))

    def note(self, text):
        self.notes.append(text)
