using System.Diagnostics;

namespace HelixFlow.Engine.Scheduling;

/// <summary>Shares the engine out among the projects of each priority class by their weights: start-time fair queueing.</summary>
/// <remarks>
/// <para>Goyal, Vin and Cheng (1996), on tokens: a sequence's start tag is max(virtual time, its project's finish tag); the finish tag then moves on by
/// cost / weight, and the virtual time to the start tag; the waiting sequence with the lowest tag starts. As in the virtual token counter of Sheng et
/// al. (2024) the output is not known beforehand: an estimate is charged at the start and set right at the end, and tags are given when a
/// sequence starts, so that they rest on what is known by then.</para>
/// <para>Owned by the engine thread. Remembers a project for as long as it is in debt and its class has sequences; when there are
/// <see cref="MostDebtors"/> in a class, the debts of those without sequences are forgiven.</para>
/// </remarks>
internal sealed class FairShares
{
    /// <summary>Output tokens that are charged at the start, when a sequence may have more: most answers are shorter.</summary>
    public const int ExpectedOutput = 256;

    /// <summary>Accounts of a class before debts are forgiven.</summary>
    public const int MostDebtors = 10_000;

    private readonly Dictionary<int, PriorityClass> _classes = [];

    /// <summary>Projects remembered, over all classes.</summary>
    public int Accounts
    {
        get
        {
            int accounts = 0;
            foreach (PriorityClass priorityClass in _classes.Values)
            {
                accounts += priorityClass.Accounts.Count;
            }

            return accounts;
        }
    }

    /// <summary>Gives a sequence that begins to wait its project's account.</summary>
    public void Enter(Sequence sequence)
    {
        if (!_classes.TryGetValue(sequence.Priority, out PriorityClass? priorityClass))
        {
            _classes.Add(sequence.Priority, priorityClass = new PriorityClass());
        }

        if (!priorityClass.Accounts.TryGetValue(sequence.Project, out ProjectAccount? account))
        {
            priorityClass.Accounts.Add(sequence.Project, account = new ProjectAccount(priorityClass));
        }

        if (account.Waiting == 0)
        {
            account.FinishTag = Math.Max(account.FinishTag, priorityClass.VirtualTime); // who was away saves nothing up
        }

        account.Waiting++;
        Join(sequence, account);
    }

    /// <summary>Charges a sequence's cost when it starts for the first time.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="cached">Its tokens that need no computing.</param>
    public static void Start(Sequence sequence, int cached)
    {
        ProjectAccount account = sequence.Account!;
        account.Waiting--;
        sequence.StartTag = account.FinishTag;
        account.Class.VirtualTime = Math.Max(account.Class.VirtualTime, sequence.StartTag);
        sequence.FreeTokens = cached;
        sequence.ChargedTokens = sequence.Length - cached + (sequence.Slots * Expected(sequence));
        account.FinishTag += sequence.ChargedTokens / sequence.Weight;
    }

    /// <summary>Passes what was charged for a fork on to it.</summary>
    public static void Fork(Sequence parent, Sequence child)
    {
        Join(child, parent.Account!);
        child.StartTag = parent.StartTag;
        child.FreeTokens = child.Length;
        child.ChargedTokens = Expected(child);
        parent.ChargedTokens -= child.ChargedTokens;
    }

    /// <summary>Sets the charge of a sequence that leaves right: to what it has used, or to nothing if it never started.</summary>
    public void Leave(Sequence sequence)
    {
        ProjectAccount account = sequence.Account!;
        PriorityClass priorityClass = account.Class;
        if (sequence.HasStarted)
        {
            int used = Math.Max(0, sequence.Reached - sequence.FreeTokens);
            account.FinishTag += (used - sequence.ChargedTokens) / sequence.Weight;
        }
        else
        {
            account.Waiting--;
        }

        sequence.Account = null;
        account.Sequences--;
        if (--priorityClass.Sequences == 0)
        {
            _classes.Remove(sequence.Priority);
        }
        else
        {
            priorityClass.ForgetIdle();
        }
    }

    private static int Expected(Sequence sequence) => Math.Min(sequence.MaxLength - sequence.Length, ExpectedOutput);

    private static void Join(Sequence sequence, ProjectAccount account)
    {
        Debug.Assert(sequence.Account is null);
        sequence.Account = account;
        account.Sequences++;
        account.Class.Sequences++;
    }
}

/// <summary>Sequences of the same priority, which share alike.</summary>
internal sealed class PriorityClass
{
    private int _forgetAt = 64; // accounts; doubles with those that stay, so that looking for idle ones costs little

    public Dictionary<string, ProjectAccount> Accounts { get; } = new(StringComparer.Ordinal);

    /// <summary>The highest start tag given: tokens per unit of weight.</summary>
    public double VirtualTime { get; set; }

    /// <summary>When one of its sequences was last let in.</summary>
    public TimeSpan LastStart { get; set; } = TimeSpan.MinValue;

    /// <summary>Its sequences that wait or run.</summary>
    public int Sequences { get; set; }

    /// <summary>Drops accounts that would start from the virtual time like new ones, when there are many accounts.</summary>
    public void ForgetIdle()
    {
        if (Accounts.Count < _forgetAt)
        {
            return;
        }

        bool forgive = Accounts.Count >= FairShares.MostDebtors;
        foreach ((string project, ProjectAccount account) in Accounts)
        {
            if (account.Sequences == 0 && (forgive || account.FinishTag <= VirtualTime))
            {
                Accounts.Remove(project);
            }
        }

        _forgetAt = Math.Clamp(Accounts.Count * 2, 64, Math.Max(FairShares.MostDebtors, Accounts.Count + 64));
    }
}

/// <summary>What a project has used of a <see cref="PriorityClass"/>.</summary>
internal sealed class ProjectAccount(PriorityClass priorityClass)
{
    public PriorityClass Class => priorityClass;

    /// <summary>Where its next start tag is: tokens per unit of its weight.</summary>
    public double FinishTag { get; set; }

    /// <summary>Its sequences that wait for their first start.</summary>
    public int Waiting { get; set; }

    /// <summary>Its sequences that wait or run.</summary>
    public int Sequences { get; set; }
}
