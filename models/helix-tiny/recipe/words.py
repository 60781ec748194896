"""Word lists and small generators (names, dates, amounts) for the training text.

Held-out rule: a synthesised word belongs to the evaluation set when crc32(word) % 8 == 0; of the listed words the last
eighth does; of the sentence patterns those that begin with "~" do. Training never sees any of them.
"""
import random
import zlib

W = str.split
FIRST = W("""Maria James Aisha Peter Lena Tom Priya Carlos Emma David Sofia Liam Olivia Noah Anna Daniel Julia Mark Elena Samuel
Grace Omar Hannah Victor Nina Paul Claire Ahmed Laura Simon Yuki Ivan Fatima George Alice Robert Ingrid Diego Chloe Martin Leila
Kevin Rosa Henry Mei Oscar Tara Felix Amara Jonas Ruth Andre Zoe Hassan Linda Max Sara Kofi Eva Leo Irene Ben Naomi Karl Dana
Ravi Petra Luis Helen Anton Jane Marco Susan Wei Nora John Kate Michael Sarah Chris Rachel Steve Amy Brian Monica Jack Lucy Adam
Sophie Ali Vera Greg Tina Raj Mona Eric Holly Igor Paula Stefan Ana Tim Bella Sven Kim Joe Ada Bruno Iris Theo Gita Hugo Lars""")
LAST = W("""Chen Smith Okafor Garcia Novak Patel Brown Rossi Keller Haddad Jensen Silva Murphy Tanaka Weber Ali Kovacs Dubois Evans
Hughes Lindgren Moreau Ortiz Park Quinn Reyes Schmidt Thompson Ueda Vargas Walker Yilmaz Zimmer Adams Becker Costa Diaz Eriksen
Fischer Gupta Hansen Ivanov Johnson Khan Lopez Meyer Nguyen Olsen Peters Roberts Santos Turner Vogel Wright Young Bauer Clark
Davies Ferrari Green Harris Ito Jones King Lewis Martin Nielsen Owens Phillips Ramos Scott Taylor Wagner Wood Allen Baker Cole
Dean Ellis Ford Grant Hill Kelly Lane Mason Nash Price Reed Shaw Stone Webb Wilson Cruz Berg Lang Roth Holm""")
PLACES = W("""Berlin Madrid Oslo Lagos Toronto Lisbon Dublin Austin Prague Zurich Nairobi Osaka Boston Lyon Seoul Vienna Chicago Milan
Denver Porto Cairo Leeds Bergen Hamburg Warsaw Seattle Singapore Mumbai Sydney Rotterdam Geneva London Paris Munich Atlanta Dallas
Helsinki Athens Bristol Dubai Krakow Tallinn Riga Malmo Turin Basel Ghent Cologne Quito Lima""")
CODENAMES = W("""Phoenix Aurora Falcon Atlas Orion Nimbus Harbor Summit Delta Comet Mercury Apollo Titan Beacon Horizon Cedar Ember
Lighthouse Maple Neptune Onyx Pioneer Quartz River Sierra Tiger Vega Willow Zephyr Bluebird Cobalt Dragon Everest Granite Jupiter
Lotus Mosaic Polaris Saturn Tempest""")
COSUFFIX = W("Ltd Inc GmbH Group Systems Logistics Foods Partners Labs Energy Bank Media Motors Health Software Industries Supplies Design Security Airlines")
MOD = W("""supplier onboarding budget security quarterly customer training marketing payroll travel warehouse sales annual monthly
weekly billing pricing hiring inventory legal support safety product website mobile network database cloud office insurance tax
audit delivery shipping design research test backup login payment mailing press event launch vendor partner staffing energy
maintenance production recruiting expense migration software hardware kitchen parking retail wholesale export import regional
internal external revised final draft updated new old main central temporary emergency summer winter spring autumn catering
cleaning printing catalog feedback survey renewal refund loyalty fleet factory hotel venue lease heating server laptop""")
HEAD = W("""contract guide plan report checklist forecast schedule invoice dashboard policy proposal presentation review agreement
estimate roadmap system form list manual analysis summary agenda brochure calendar template process strategy page survey order
request offer statement file letter spreadsheet portal tool setup script model portfolio rota booking sample package kit map
memo survey handbook newsletter campaign ticket document shortlist timeline""")
PLURAL = W("""invoices contracts servers laptops parts orders tickets reports licences samples documents figures slides refunds badges
deliveries machines sensors chairs desks permits shipments labels bookings payments logs backups designs prototypes printers
cables batteries vehicles uniforms leaflets quotes accounts passwords keys materials tiles panels pumps forms""")
VERB = [v.split("/") for v in W("""review/reviewed update/updated send/sent prepare/prepared check/checked finish/finished share/shared approve/approved
rewrite/rewrote print/printed test/tested publish/published draft/drafted sign/signed collect/collected compare/compared cancel/cancelled
order/ordered replace/replaced move/moved translate/translated archive/archived confirm/confirmed correct/corrected present/presented
organize/organized deliver/delivered renew/renewed negotiate/negotiated complete/completed simplify/simplified distribute/distributed
verify/verified fix/fixed submit/submitted design/designed extend/extended upload/uploaded inspect/inspected discuss/discussed
finalize/finalized schedule/scheduled circulate/circulated revise/revised document/documented close/closed reopen/reopened
clean/cleaned repair/repaired install/installed configure/configured measure/measured buy/bought sell/sold paint/painted merge/merged
split/split build/built write/wrote read/read find/found launch/launched record/recorded remove/removed export/exported import/imported
audit/audited calculate/calculated estimate/estimated arrange/arranged request/requested return/returned store/stored pack/packed""")]
TEAM = W("finance marketing sales support legal engineering product operations design security HR IT logistics procurement research quality data platform field communications")
ROLE = ["project manager", "finance director", "office manager", "lead engineer", "sales manager", "head of marketing", "support lead", "data analyst",
        "account manager", "product owner", "HR manager", "warehouse supervisor", "operations director", "designer", "security officer", "buyer",
        "legal counsel", "trainer", "technician", "accountant", "consultant", "developer", "receptionist", "store manager", "chief executive"]
ADJ = W("""important small large difficult useful serious minor early late strong weak clear expensive cheap simple complex quick slow
careful positive negative stable fragile modern outdated broken missing incomplete popular urgent unexpected local global""")
THING = W("""umbrella lantern bicycle garden bridge ladder kettle violin basket hammer pillow candle rocket mirror blanket carpet anchor
window bottle button camera castle cheese desert engine feather forest guitar island jacket kitten lemon magnet needle ocean
orange pepper planet rabbit ribbon school silver spider spring stream summer tunnel turtle valley walnut winter yellow copper
banana garlic onion tomato potato river mountain village doctor teacher farmer baker driver pilot singer artist actor writer
hospital library museum station airport harbour market theatre stadium church tower street corner ceiling floor roof door
computer keyboard screen printer cable battery charger speaker phone tablet watch clock radio television""")
WEEK = W("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTH = W("January February March April May June July August September October November December")
NUMW = W("two three four five six seven eight nine ten twelve")
CONS, VOW, END = W("b c d f g h j k l m n p r s t v w z br ch cr dr gr kl pl pr sh sk st th tr"), W("a e i o u a e i o ai ea ou io"), W("n r s l k m t x nd rt ss th ck ng") + [""] * 12


def held(s):
    return zlib.crc32(s.encode()) % 8 == 0


class G:
    """A seeded source of words. ev=True draws from the held-out side only."""

    def __init__(self, seed, ev=False):
        self.r, self.ev = random.Random(seed), ev

    def chance(self, p):
        return self.r.random() < p

    def num(self, a, b):
        return self.r.randint(a, b)

    def pick(self, xs):
        """Any item of a list (no held-out side)."""
        return xs[self.r.randrange(len(xs))]

    def pat(self, xs):
        """A sentence pattern: held-out ones ("~...") for evaluation only."""
        good = [x for x in xs if x.startswith("~") == self.ev] or xs
        return self.pick(good).lstrip("~")

    def word(self, xs):
        """A listed word; the last eighth of the list is held out."""
        n = len(xs) - len(xs) // 8
        return xs[self.r.randrange(n, len(xs))] if self.ev else xs[self.r.randrange(n)]

    def synth(self, lo=2, hi=3):
        while True:
            n = self.num(lo, hi)
            s = "".join(self.pick(CONS) + self.pick(VOW) for _ in range(n)) + self.pick(END)
            if held(s) == self.ev:
                return s

    def first(self):
        return self.word(FIRST) if self.chance(0.65) else self.synth(1, 3).capitalize()

    def last(self):
        return self.word(LAST) if self.chance(0.55) else self.synth(1, 3).capitalize()

    def name(self):
        x = self.r.random()
        if x < 0.62:
            return self.first() + " " + self.last()
        if x < 0.90:
            return self.first()
        if x < 0.95:
            return self.pick(["Mr ", "Ms ", "Mrs ", "Dr ", "Mr. ", "Dr. "]) + self.last()
        return self.first() + " " + self.pick("ABCDEFGHJKLMNPRSTW") + ". " + self.last()

    def names(self, n):
        out = []
        while len(out) < n:
            x = self.name()
            if not any(set(x.split()) & set(y.split()) for y in out):
                out.append(x)
        return out

    def place(self):
        return self.word(PLACES) if self.chance(0.6) else self.synth(2, 3).capitalize()

    def code(self):
        x = self.r.random()
        if x < 0.5:
            return self.word(CODENAMES)
        if x < 0.85:
            return self.synth(2, 3).capitalize()
        return self.pick([self.synth(1, 2).capitalize() + " " + str(self.num(2, 9)), self.pick("ABCDKMNPRTX") + self.pick("ABCDKMNPRTX") + "-" + str(self.num(10, 999))])

    def company(self):
        n = self.synth(2, 3).capitalize() if self.chance(0.7) else self.word(LAST)
        return n + " " + self.pick(COSUFFIX) if self.chance(0.65) else n

    def team(self):
        return self.pick(TEAM) + " team"

    def day(self):
        m, d = self.pick(MONTH), self.num(1, 28)
        x = self.r.random()
        if x < 0.25:
            return f"{d} {m}"
        if x < 0.50:
            return f"{m} {d}"
        if x < 0.58:
            return f"{d} {m} {self.num(2022, 2029)}"
        if x < 0.64:
            return f"{m} {d}, {self.num(2022, 2029)}"
        if x < 0.67:
            return f"{self.num(2022, 2029)}-{self.num(1, 12):02d}-{d:02d}"
        if x < 0.70:
            return f"{m} {d}" + ("th" if 10 < d < 20 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th"))
        return self.pick(WEEK)

    def due(self):
        """What follows "by": a day or a vaguer deadline."""
        if self.chance(0.72):
            return self.day()
        return self.pick(["next {w}", "the end of the week", "the end of the month", "the end of {m}", "tomorrow", "next week", "noon on {w}",
                          "{w} morning", "{w} evening", "mid {m}", "the end of the quarter", "{h} on {w}", "the end of next week", "early {m}", "{w} at the latest"]).format(
            w=self.pick(WEEK), m=self.pick(MONTH), h=self.clock())

    def clock(self):
        h = self.num(1, 12)
        return self.pick([f"{h} pm", f"{h} am", f"{self.num(7, 19)}:{self.pick(['00', '15', '30', '45'])}", f"{h}:30 pm", f"{h}pm", f"{h} o'clock"])

    def amount(self):
        n = self.pick([self.num(1, 99) * 1000, self.num(1, 99) * 100, self.num(20, 999), self.num(100, 999) * 1000, self.num(1000, 99999)])
        x = self.r.random()
        if x < 0.55:
            return f"${n:,}"
        if x < 0.65:
            return f"{n:,} euros"
        if x < 0.73:
            return f"EUR {n:,}"
        if x < 0.79:
            return f"${self.num(1, 9)}.{self.num(1, 9)} million"
        if x < 0.85:
            return f"£{n:,}"
        if x < 0.90:
            return f"€{n:,}"
        if x < 0.95:
            return f"{n} dollars"
        return f"${self.num(2, 900)}k"

    def span(self):
        u = self.pick(["day", "week", "month", "hour"])
        n = self.pick(["a", *NUMW, *NUMW, str(self.num(2, 30)), str(self.num(2, 30))])
        if n == "a":
            return ("an " if u == "hour" else "a ") + u
        return n + " " + u + "s"

    def count(self):
        return str(self.num(2, 400)) if self.chance(0.6) else self.pick(NUMW)

    def percent(self):
        return self.pick(["{}%", "{}%", "{} percent"]).format(self.num(2, 95))

    def mod(self):
        return self.pick(MOD) if self.chance(0.9) else self.synth(1, 3)

    def head(self):
        x = self.r.random()
        return self.pick(HEAD) if x < 0.85 else self.pick(THING) if x < 0.92 else self.synth(2, 3)

    def obj(self):
        """An object noun phrase."""
        x = self.r.random()
        if x < 0.55:
            return f"the {self.mod()} {self.head()}"
        if x < 0.68:
            return f"the {self.head()}"
        if x < 0.80:
            return f"the {self.mod()} {self.pick(PLURAL)}"
        if x < 0.86:
            return f"the {self.pick(ADJ)} {self.mod()} {self.head()}"
        if x < 0.90:
            return f"{self.pick(NUMW)} {self.pick(PLURAL)}"
        if x < 0.95:
            return f"a new {self.mod()} {self.head()}"
        return f"the {self.code()} {self.head()}"

    def tail(self):
        x = self.r.random()
        if x < 0.62:
            return ""
        return self.pick([" for {c}", " for the {t}", " with {n}", " to {n}", " with the {t}", " in {p}", " for {p}", " from {c}", " to the {t}", " to all staff",
                          " for the {m} {h}", " and the {m} {h}", " at the {p} office", " to the client", " with the supplier", " once more"]).format(
            c=self.company(), t=self.team(), n=self.name(), p=self.place(), m=self.mod(), h=self.head())

    def task(self, past=False):
        """A verb phrase: what somebody will do (or did)."""
        x = self.r.random()
        if not past and x < 0.25:
            return self.pick([
                "call {n}", "inform {c}", "tell the {t} about {o}", "book a room in {p}", "talk to {n} about {o}", "ask {c} for a new quote", "invite {n}",
                "set up a call with {n}", "contact {c}", "inform the client", "hire {k} people", "find a new venue in {p}", "order {k} {pl}", "follow up with {c}",
                "send {o} to {n}", "give {n} access to {o}", "get a quote from {c}", "work with {n} on {o}", "meet {n} in {p}", "train the {t}",
                "add {k} {pl} to {o}", "reduce the cost of {o}", "look into {o}", "pay {a} to {c}", "inform all customers", "update the {t}", "visit {c} in {p}",
                "e-mail the {t}", "take over {o} from {n}", "report back to the {t}", "write to {c}", "change {o}", "speak with {c}"]).format(
                n=self.name(), c=self.company(), t=self.team(), o=self.obj(), p=self.place(), k=self.count(), pl=self.pick(PLURAL), a=self.amount())
        v = self.pick(VERB)
        return v[1 if past else 0] + " " + self.obj() + self.tail()

    def cause(self):
        """A finite clause that can follow "because"."""
        return self.pat(CAUSE).format(
            o=self.obj(), o2=self.obj(), c=self.company(), pl=self.pick(PLURAL), k=self.count(), s=self.span(), n=self.name(), t=self.team(), p=self.place(),
            d=self.day(), a=self.amount(), pc=self.percent(), v=self.pick(VERB)[1], task=self.task(), done=self.task(True), code=self.code(), adj=self.pick(ADJ), mod=self.mod(), head=self.head(), role=self.pick(ROLE))


CAUSE = """{o} was not ready in time|the {pl} arrived {s} late|{c} could not deliver the {pl} on time|{k} people left the {t}|{o} failed the {mod} test
the {t} found a problem in {o}|demand was higher than expected|{n} is on leave until {d}|the {pl} were damaged in {p}|{c} raised its prices by {pc}
the {t} needs more time for {o}|{o} was lost|sales fell by {pc}|the costs rose to {a}|{c} cancelled the order|the {mod} {head} is {adj}|{n} has left the company
the {pl} did not arrive|the client asked for more changes|{o} contained {k} errors|{n} forgot to {task}|the current {mod} {head} ends on {d}|a storm closed the {p} office
the {mod} {head} is out of date|customers complained about {o}|the {t} is too small|{c} cannot supply the {pl}|{o} costs too much|a {mod} {head} was wrong
the {role} was ill|no one checked {o}|{n} {done}|the {t} {done}|we lost {k} {pl}|the supplier cannot deliver the {pl}|the {pl} are out of stock|the tests are not finished
there was a mistake in {o}|the old {head} is broken|the rent in {p} went up by {pc}|the team is waiting for {o}|{c} offered a better price|it would save {a} a year
the market in {p} is growing|{pc} of the customers asked for it|the law changed on {d}|the {head} must be ready by {d}|{c} went bankrupt|the budget was cut by {pc}
~{o} has not been delivered yet|~the {t} was short of {pl}|~{n} did not get {o}|~the port in {p} was closed for {s}""".replace("\n", "|").split("|")
