"""What watches a preparation, and remembers."""


class Watcher:
    def __init__(self):
        self.counts, self.notes = [], []
        self.note = self.notes.append

    def preparing(self, what, done, total):
        self.counts.append((what, done, total))
