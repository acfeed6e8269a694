"""The passes over a region's voxels that fill its texture matrices.

They go plane by plane. Sums, comparisons and keys are worked out for a whole plane of the region's box, many voxels at a time,
whatever lies there; tables are then added to for the voxels of the region alone. Two directions share a key wherever the table
stays small: a table is added to half as often.
"""

import numpy as np

from radiomics_cfg.engine.compiled import compiled


@compiled
def place(voxels, values, box):
    """Put the values of a region's voxels where they are in the box."""
    for i in range(len(voxels)):
        box[voxels[i]] = values[i]


@compiled
def count_neighbours(inside, voxels, steps):
    """Return how many neighbours in the region each voxel of it has, shape ``(n_voxels,)``."""
    counts = np.zeros(len(voxels), np.uint16)
    for i in range(len(voxels)):
        v = voxels[i]
        for a in range(len(steps)):
            counts[i] += np.uint16(inside[v + steps[a]]) + np.uint16(inside[v - steps[a]])
    return counts


@compiled
def _longest(planes):
    """Return the voxels of the largest plane."""
    longest = 0
    for row in range(len(planes)):
        longest = max(longest, planes[row, 1])
    return longest


@compiled
def look_around(ranks, greys, voxels, planes, neighbours, steps, tolerance, total, dependence, difference):
    """Compare each voxel with its neighbours for GLDM and NGTDM.

    Args:
        ranks: Rank of each voxel of the padded box, 0 outside the region.
        greys: Grey level of each voxel, 0 outside.
        voxels: Of the region, ascending.
        planes: Of each plane the first voxel of the region, the number of voxels of the box up to the last of the region, and
            the first of ``voxels`` in it and one after the last.
        neighbours: How many neighbours in the region each of its voxels has.
        steps: From a voxel to its neighbours in one half of all directions.
        tolerance: Difference of dependent grey levels.
        total: Scratch for a plane, of a type that holds the sum over all neighbours.
        dependence: Filled, shape ``(n_ranks * (2 n_steps + 1),)``.
        difference: Filled, shape ``(n_ranks,)``.
    """
    width = np.uint64(len(dependence) // len(difference))
    dependent = np.empty(_longest(planes), np.uint16)
    for row in range(len(planes)):
        first, length = planes[row, 0], planes[row, 1]
        for x in range(length):
            dependent[x] = 0
            total[x] = 0
        here, here_grey = ranks[first : first + length], greys[first : first + length]
        for a in range(0, len(steps) - 1, 2):
            one, two = steps[a], steps[a + 1]
            p, q = greys[first + one : first + one + length], greys[first - one : first - one + length]
            r, s = greys[first + two : first + two + length], greys[first - two : first - two + length]
            for x in range(length):
                total[x] += p[x] + q[x] + r[x] + s[x]
        for a in range(len(steps) // 2 * 2, len(steps)):
            p, q = greys[first + steps[a] : first + steps[a] + length], greys[first - steps[a] : first - steps[a] + length]
            for x in range(length):
                total[x] += p[x] + q[x]
        for a in range(len(steps)):
            step = steps[a]
            if tolerance == 0:
                ahead, behind = ranks[first + step : first + step + length], ranks[first - step : first - step + length]
                for x in range(length):
                    dependent[x] += np.uint16(ahead[x] == here[x]) + np.uint16(behind[x] == here[x])
            else:
                p, q = greys[first + step : first + step + length], greys[first - step : first - step + length]
                for x in range(length):
                    grey = np.int64(here_grey[x])
                    dependent[x] += (p[x] != 0) & (abs(np.int64(p[x]) - grey) <= tolerance)
                    dependent[x] += (q[x] != 0) & (abs(np.int64(q[x]) - grey) <= tolerance)
        for i in range(planes[row, 2], planes[row, 3]):
            x = np.uint64(voxels[i] - first)
            rank = np.uint64(here[x])
            if neighbours[i]:
                difference[rank] += abs(np.float64(here_grey[x]) - np.float64(total[x]) / np.float64(neighbours[i]))
            dependence[rank * width + np.uint64(dependent[x])] += 1


@compiled
def count_pairs(ranks, voxels, planes, steps, n, tables):
    """Count ranks of neighbours for the GLCM.

    Args:
        ranks: As for ``look_around``; ``voxels`` and ``planes`` too.
        voxels: Of the region.
        planes: Of the region.
        steps: From a voxel to its neighbours, for each table one or two.
        n: Number of ranks.
        tables: Filled, shape ``(n_tables, n * n)`` by rank and its neighbour's rank, or ``(n_tables, n * n * n)`` by rank and
            the ranks of two neighbours.
    """
    key, width = np.empty(_longest(planes), np.uint32), np.uint32(n)
    together = len(steps) // max(len(tables), 1)
    for row in range(len(planes)):
        first, length = planes[row, 0], planes[row, 1]
        here = ranks[first : first + length]
        for k in range(len(tables)):
            one, two = steps[k * together], steps[k * together + together - 1]
            ahead, other = ranks[first + one : first + one + length], ranks[first + two : first + two + length]
            if together == 2:
                for x in range(length):
                    key[x] = (np.uint32(here[x]) * width + np.uint32(ahead[x])) * width + np.uint32(other[x])
            else:
                for x in range(length):
                    key[x] = np.uint32(here[x]) * width + np.uint32(ahead[x])
            _count(key, voxels[planes[row, 2] : planes[row, 3]], first, tables[k])


@compiled
def _count(key, voxels, first, table):
    """Count the keys of some voxels; ``key`` begins with that of ``first``."""
    even = len(voxels) // 4 * 4
    for i in range(0, even, 4):  # four are read before the table is written to
        a, b = key[np.uint64(voxels[i] - first)], key[np.uint64(voxels[i + 1] - first)]
        c, d = key[np.uint64(voxels[i + 2] - first)], key[np.uint64(voxels[i + 3] - first)]
        table[a] += 1
        table[b] += 1
        table[c] += 1
        table[d] += 1
    for i in range(even, len(voxels)):
        table[key[np.uint64(voxels[i] - first)]] += 1


@compiled
def follow_runs(ranks, voxels, planes, steps, row, bits, behind, lengths, early, late):
    """Follow the runs in each direction; their length at a voxel is that of the voxels of its rank before it.

    Args:
        ranks: As for ``look_around``; ``voxels`` and ``planes`` too.
        voxels: Of the region.
        planes: Of the region.
        steps: From a voxel to the next in each direction: planes, and voxels in the plane; shape ``(n_steps, 2)``, at most 15.
        row: Voxels of a row of the box.
        bits: Of a length in the 16-bit keys of ``early``; lengths from the highest that it holds are counted in ``late``.
        behind: Filled: bit ``a`` is set where the voxel before in direction ``a`` has the same rank.
        lengths: Scratch, shape ``(n_steps, 2, plane)``: lengths in each direction, on a plane of the box and the one before.
        early: Filled, shape ``(n_pairs, n_ranks << 2 * bits)``: voxels by rank and length in two directions.
        late: Filled, shape ``(n_steps, n_lengths, n_ranks)``: voxels by length, from the highest in ``early``, and rank.
    """
    plane = lengths.shape[2]
    key = np.empty(_longest(planes), np.uint16)
    most = (1 << bits) - 1
    third, second = np.uint16(1 << 2 * bits), np.uint16(1 << bits)
    for p in range(len(planes)):
        first, length, own = planes[p, 0], planes[p, 1], voxels[planes[p, 2] : planes[p, 3]]
        here, same = ranks[first : first + length], behind[first : first + length]
        slot, at = first // plane % 2, first % plane
        for x in range(length):
            same[x] = 0
        for a in range(len(steps)):
            across, step = steps[a]
            now = lengths[a, slot, at : at + length]
            if across:
                _go_on(here, ranks[first - plane - step :], lengths[a, 1 - slot, at - step :], now)
            elif step > 1:
                before, so_far = ranks[first - step :], lengths[a, slot, at - step :]
                for begin in range(0, length, row - 1):  # voxels this near need none of each other
                    end = min(begin + row - 1, length)
                    _go_on(here[begin:end], before[begin:end], so_far[begin:end], now[begin:end])
            else:
                run = 0
                for i in range(len(own)):
                    run = run + 1 if ranks[own[i]] == ranks[own[i] - 1] else 0
                    now[own[i] - first] = run
            longest = np.int16(0)
            for x in range(length):
                longest = max(longest, now[x] if here[x] else np.int16(0))
            if longest >= most:
                for i in range(len(own)):
                    x = np.uint64(own[i] - first)
                    if now[x] >= most:
                        late[a, now[x] - most, here[x]] += 1
        for k in range(len(early)):
            a, b = 2 * k, min(2 * k + 1, len(steps) - 1)
            one, two = lengths[a, slot, at : at + length], lengths[b, slot, at : at + length]
            bit, next_bit = np.int16(1 << a), np.int16(1 << b)
            for x in range(length):
                same[x] |= (bit if one[x] else np.int16(0)) | (next_bit if two[x] else np.int16(0))
            for x in range(length):
                key[x] = here[x] * third + min(one[x], most) * second + min(two[x], most)
            _count(key, own, first, early[k])


@compiled
def _go_on(here, before, so_far, now):
    """Continue runs where the rank equals that of the previous voxel, for as many voxels as ``here`` has."""
    for x in range(len(here)):
        now[x] = (so_far[x] + np.int16(1)) & -np.int16(here[x] == before[x])  # all bits of it, or none


@compiled
def _root(parents, v):
    """Return the first voxel of the zone of ``v``, and shorten the way there."""
    while parents[v] != v:
        parents[v] = parents[parents[v]]
        v = np.int64(parents[v])
    return v


@compiled
def join_zones(ranks, voxels, steps, place_of_bit, behind, enough, parents, sizes):
    """Return the connected zones of one rank: rank and size of each.

    Args:
        ranks: Rank of each voxel of the padded box.
        voxels: Of the region, ascending.
        steps: From a voxel to the next in each direction.
        place_of_bit: Direction of a single set bit.
        behind: As ``follow_runs`` fills it.
        enough: As ``_enough_neighbours`` gives it.
        parents: Scratch of the shape of ``ranks``.
        sizes: Likewise.
    """
    for v in voxels:
        sizes[v] = 0
        bits = np.int64(enough[behind[v]])
        root = np.int64(v)
        parents[v] = root
        while bits:
            bit = bits & -bits
            bits ^= bit
            other = _root(parents, np.int64(v - steps[place_of_bit[bit]]))
            if other < root:
                parents[root] = other
                root = other
            elif other > root:
                parents[other] = root
        parents[v] = root
    count = 0
    for v in voxels:
        parents[v] = parents[parents[v]]  # a parent comes before its children, so it is a root by now
        count += np.int64(parents[v] == v)
        sizes[parents[v]] += 1
    zones = np.empty((count, 2), np.int64)
    count = 0
    for v in voxels:
        if parents[v] == v:
            zones[count, 0], zones[count, 1] = ranks[v], sizes[v]
            count += 1
    return zones
