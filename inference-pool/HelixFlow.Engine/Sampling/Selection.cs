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
    /// As <see cref="AtMass"/> for a row of weights from 0 to 1, which it leaves as it is: halves the range of values in which the mass is reached until
    /// few are left in it, and selects in these only.
    /// </summary>
    /// <param name="row">A weight for each token.</param>
    /// <param name="least">Positive; no smaller weight is needed for the mass. If even all from here on fall short of it, by rounding, the last of them is the result.</param>
    /// <param name="mass">The mass to reach.</param>
    /// <param name="scratch">Room for the whole row.</param>
    public static Candidate AtMassOfRow(ReadOnlySpan<float> row, float least, double mass, Span<Candidate> scratch)
    {
        // Few enough to select in quickly, so many that the last halvings are saved.
        const int Few = 1024;

        // Positive floats are ordered as their bits. The mass is reached by the values from low on, and not by those from high on.
        int low = BitConverter.SingleToInt32Bits(least);
        int high = BitConverter.SingleToInt32Bits(1f) + 1;
        (double reached, int lowCount) = RowMath.FromLimit(row, least);
        if (reached < mass)
        {
            return new Candidate(least, row.Length);
        }

        (double before, int highCount) = (0, 0);
        while (lowCount - highCount > Few && high - low > 1)
        {
            int middle = low + ((high - low) / 2);
            (double sum, int count) = RowMath.FromLimit(row, BitConverter.Int32BitsToSingle(middle));
            if (sum >= mass)
            {
                (low, lowCount) = (middle, count);
            }
            else
            {
                (high, before, highCount) = (middle, sum, count);
            }
        }

        float first = BitConverter.Int32BitsToSingle(low);
        float end = BitConverter.Int32BitsToSingle(high);
        return AtMass(scratch[..RowMath.Gather(row, first, end, scratch)], mass - before);
    }

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
