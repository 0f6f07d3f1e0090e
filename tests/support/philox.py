"""Crisol's random streams (include/crisol/rng.h) a second time, so that a check draws what the program drew."""

MASK = 0xFFFFFFFF


class Stream:
    def __init__(self, seed, purpose, epoch, number):
        self.key = (seed & MASK, seed >> 32)
        self.counter = [0, purpose << 24 | epoch & 0xFFFFFF, number & MASK, number >> 32]
        self.words = []

    def _block(self):
        c0, c1, c2, c3 = self.counter
        k0, k1 = self.key
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
            c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & MASK, p0 >> 32 ^ c3 ^ k1, p0 & MASK
            k0, k1 = k0 + 0x9E3779B9 & MASK, k1 + 0xBB67AE85 & MASK
        self.counter[0] += 1
        return [c0, c1, c2, c3]

    def u32(self):
        if not self.words:
            self.words = self._block()
        return self.words.pop(0)

    def u64(self):
        low = self.u32()
        return self.u32() << 32 | low

    def below(self, n):
        return self.u64() * n >> 64


ORDER, BOOTSTRAP, PERMUTE = 2, 9, 10
