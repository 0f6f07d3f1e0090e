"""A fault in a rank's memory: flips one bit of a tensor's first bytes wherever the process PID holds them.

flip_weight.py PID STEP-N.safetensors: the tensor is the first of the file, which must not change while training.
"""
import json
import struct
import sys

pid, path = int(sys.argv[1]), sys.argv[2]
with open(path, "rb") as file:
    length = struct.unpack("<Q", file.read(8))[0]
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    first = min(header.values(), key=lambda tensor: tensor["data_offsets"][0])
    pattern = file.read(min(64, first["data_offsets"][1]))

found = 0
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
    for line in maps:
        span, access = line.split()[:2]
        start, end = (int(number, 16) for number in span.split("-"))
        if not access.startswith("rw") or end - start > 1 << 28 or "[v" in line:
            continue
        try:
            memory.seek(start)
            content = memory.read(end - start)
        except OSError:
            continue
        at = content.find(pattern)
        while at >= 0:
            memory.seek(start + at)
            memory.write(bytes([pattern[0] ^ 1]))
            found += 1
            at = content.find(pattern, at + 1)
print(f"flipped {found} times")
sys.exit(found == 0)
