namespace HelixFlow.Engine.Sampling;

/// <summary>A value and the token it belongs to, ordered by value descending, then id ascending: a total order, so that cuts are exact.</summary>
internal readonly record struct Candidate(float Value, int Token)
{
    public bool IsBefore(Candidate other) => Value > other.Value || (Value == other.Value && Token < other.Token);
}

/// <summary>Finds cuts in an unsorted set of candidates in linear expected time: Hoare's selection, without sorting.</summary>
internal static class Selection
{
    /// <summary>The candidate that would stand at index <paramref name="rank"/> after sorting. Reorders the set: those before it come first.</summary>
    public static Candidate AtRank(Span<Candidate> set, int rank)
    {
        int first = 0;
        int end = set.Length;
        while (end - first > 1)
        {
            int middle = first + Partition(set[first..end]);
            if (rank == middle)
            {
                break;
            }

            (first, end) = rank < middle ? (first, middle) : (middle + 1, end);
        }

        return set[rank];
    }

    /// <summary>The last candidate of the smallest leading part of the sorted set whose values sum to at least <paramref name="mass"/>.</summary>
    public static Candidate AtMass(Span<Candidate> set, double mass)
    {
        int first = 0;
        int end = set.Length;
        while (end - first > 1)
        {
            int middle = first + Partition(set[first..end]);
            double before = 0;
            for (int i = first; i < middle; i++)
            {
                before += set[i].Value;
            }

            if (before >= mass && middle > first)
            {
                end = middle;
            }
            else if (before + set[middle].Value >= mass || middle + 1 == end)
            {
                return set[middle];
            }
            else
            {
                mass -= before + set[middle].Value;
                first = middle + 1;
            }
        }

        return set[first];
    }

    /// <summary>
    /// As <see cref="AtMass"/> for a large set of values from 0 to 1, which it leaves as it is: sums up ranges of values first, and selects in the one
    /// range where the mass is reached only.
    /// </summary>
    /// <param name="set">The candidates.</param>
    /// <param name="mass">The mass to reach.</param>
    /// <param name="scratch">Room for as many candidates.</param>
    public static Candidate AtMassOfMany(ReadOnlySpan<Candidate> set, double mass, Span<Candidate> scratch)
    {
        Span<double> masses = stackalloc double[Range(1) + 1];
        masses.Clear();
        foreach (Candidate candidate in set)
        {
            masses[Range(candidate.Value)] += candidate.Value;
        }

        int lowest = 0;
        while (masses[lowest] == 0 && lowest < masses.Length - 1)
        {
            lowest++;
        }

        int range = masses.Length - 1;
        while (range > lowest && masses[range] < mass)
        {
            mass -= masses[range--];
        }

        int count = 0;
        foreach (Candidate candidate in set)
        {
            scratch[count] = candidate;
            count += Range(candidate.Value) == range ? 1 : 0;
        }

        return AtMass(scratch[..count], mass);
    }

    // Positive floats are ordered as their bits: the exponent and four bits of the mantissa, sixteen ranges from a power of two to the next.
    private static int Range(float value) => BitConverter.SingleToInt32Bits(value) >> 19;

    /// <summary>Moves the candidates before a pivot to the front; returns the pivot's place.</summary>
    private static int Partition(Span<Candidate> set)
    {
        int last = set.Length - 1;
        int median = MedianOfThree(set);
        (set[median], set[last]) = (set[last], set[median]);
        Candidate pivot = set[last];
        int place = 0;
        for (int i = 0; i < last; i++)
        {
            if (set[i].IsBefore(pivot))
            {
                (set[i], set[place]) = (set[place], set[i]);
                place++;
            }
        }

        (set[place], set[last]) = (set[last], set[place]);
        return place;
    }

    private static int MedianOfThree(ReadOnlySpan<Candidate> set)
    {
        int low = 0;
        int middle = set.Length / 2;
        int high = set.Length - 1;
        if (set[middle].IsBefore(set[low]))
        {
            (low, middle) = (middle, low);
        }

        if (set[high].IsBefore(set[middle]))
        {
            middle = set[high].IsBefore(set[low]) ? low : high;
        }

        return middle;
    }
}
