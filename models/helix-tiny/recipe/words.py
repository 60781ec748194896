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
COMMON = W("""water fire people family house money story music game paper letter number line point question answer problem idea reason result
change level group member leader partner guest child woman man friend neighbour owner tenant landlord visitor student professor nurse
lawyer judge police soldier worker farmer engineer scientist captain crew passenger traffic road train bus car truck van ship boat
plane flight trip tour ticket seat luggage border customs passport visa hotel room bed meal breakfast lunch dinner coffee tea sugar
bread butter milk meat fish fruit salad soup sauce plate glass knife box bag basket shelf drawer lock key alarm smoke flood storm rain
snow ice wind heat light power gas oil steel wood stone brick sand glass plastic cotton wool leather paint glue tool engine motor wheel
brake tyre pump pipe valve wire switch socket lamp fan heater boiler lift stairs hall lobby kitchen toilet basement attic yard fence gate
field hill lake beach coast harbour bay sea wave current source signal sound noise voice speech word sentence page chapter title index
figure graph chart table column row cell record entry copy draft print scan photo picture video film song band stage show play ticket
club league match score goal prize medal award grant loan debt credit bank branch fee fine charge bill receipt cash coin account balance
profit loss income revenue salary bonus pension share stock bond fund asset value cost price rate discount sale purchase trade deal bid
auction market shop store mall counter queue customer client buyer seller supplier vendor dealer agent broker carrier courier parcel
pallet container crate stock reserve supply demand need wish goal target plan phase stage step task job duty role post rank title
experience skill talent training lesson course class exam grade degree school college research theory method model sample trial proof
error fault defect damage injury accident incident crisis risk threat attack virus spam fraud theft complaint claim dispute case court
law rule policy permit licence patent brand logo label slogan campaign advert poster banner leaflet website app account password profile
message chat call meeting agenda minutes decision vote majority council committee board chair director manager assistant secretary intern
recruit candidate applicant interview offer contract notice holiday leave sickness health doctor hospital clinic medicine vaccine pharmacy
insurance premium policy cover rent lease mortgage deposit budget forecast estimate quarter year month week day hour minute second
software hardware server cloud backup restore update upgrade patch version release feature bug crash delay outage network router cable""")
BIG = W("""ability absence accept access accuse achieve acid acquire action adapt admire admit adopt adult advance advice afford afraid afternoon agent
aggressive agriculture aid aim airline album alcohol alert alien alive alliance ambition amuse ancient angle angry animal ankle announce annoy apart apartment
apologize appeal appear apple appoint appreciate approach arise army arrest arrive arrow ash aside asleep aspect assault assemble assess assign assist assume
assure athlete atmosphere attach attempt attend attitude attract autumn available avoid awake aware awful awkward bacteria bake ban bare bargain bark barrel
barrier base basic bath bear beard beat beauty beef beg behave belief bell belong belt bend benefit beside bet bid bike birth bitter blame blast bleed bless
blind blow blue boast body boil bold bomb bonus border bore borrow boss bother bounce bowl brain brave break breath breed brief bright brilliant broad bronze
brush bubble buddy bug bulk bullet bunch burden burn burst bury bush busy butterfly cabin cake calm candidate cap capable capital capture carbon card career
cargo carve cash cast casual cattle cause cautious cave celebrate cell cement ceremony certain chain challenge champion chaos chapel charity charm chase cheap
cheat cheer chef chemical cherry chest chew chicken chief chin chip chocolate choice choir choose church cigarette circle citizen civil classic clay clever
client cliff climate climb cloth clothes cloud clue coach coal coalition coat code cold collapse collar colleague colony combine comfort command commit
commute companion compete complain complete compose compound concentrate concept concern concert conclude concrete conduct confess confident confuse connect
conquer conscious consent consider consist constant consult consume contain contest context continue contrast contribute convert convince cook cool cope core
corn corporate cottage couch cough county couple courage cousin crack craft crawl crazy cream create creature creep crew cricket crime crisp critic crop cross
crowd crown crucial cruel cruise crush cry crystal cube culture cup cupboard curious curtain curve custom cycle daily dairy dance danger dark daughter dawn dead
deaf dear debate decade decent deck declare decline decorate decrease deep deer defeat defend define degree delicate delight deny depart depend deposit depth
derive describe desert deserve desire despair destroy detail detect determine develop device devote diamond diary dictate diet dig digest dignity dim diminish
dinosaur dirt disappear disaster disc discover disease dish dismiss display distance distant distinct district dive divide divorce dock dog dolphin domain
domestic dominate donate donkey double doubt dozen drag drain drama dramatic draw dream dress drift drill drink drop drought drown drum dry duck dull dump durable
dust dwarf dynamic eager eagle earn earth ease east echo economy edge edit educate effect efficient effort egg elbow elder elect elegant element elephant elite
embrace emerge emotion empire employ empty enable encounter encourage end endless enemy enforce engage enhance enjoy enormous ensure enter entire entrance envelope
envy equal equip era erase erupt escape essence establish eternal ethnic evaluate evening evidence evil evolve exact exceed excellent exchange excite exclude excuse
execute exercise exhaust exist exit exotic expand expect expedition expert explode exploit explore expose express extra extreme eye fabric face fade fail faint fair
faith fake fall false fame familiar famous fancy fantasy fashion fast fat fate father fatigue favour fear feast feed feel fellow female fertile festival fever fibre
fiction fierce fight filter finger firm fist fit flag flame flash flat flavour flesh flexible float flock flower fluid flush foam focus fog fold folk follow fond fool
foot forbid force foreign forever forget forgive fork formal fortune forward fossil found fountain fox fraction fragment frame freedom freeze frequent fresh fridge
frog frost frown frozen fuel full fun function funeral funny fur fury fuse future galaxy gallery gallop gang gap garage garbage gather gaze gear gender gene generous
genius gentle genuine gesture ghost giant gift giraffe girl glad glance global gloomy glory glove glow goat gold golf gorgeous gossip govern grab grace grain grand
grape graph grass grateful grave gravity great greedy greet grey grief grill grin grip grocery ground grow guard guess guide guilty gym habit hair half hall halt hand
handle hang happen happy hard harm harsh harvest hat hate haul hawk hazard head heal heap hear heart heaven heavy hedge heel height hero hide hint hip hire history hit
hobby hold hole holy honest honey honour hook hope horizon horn horror horse host hostile hot huge human humble humour hungry hunt hurricane hurry hurt husband hut ice
icon ideal identify idle ignore ill illegal illness illusion image imagine imitate immediate immense immune impact imply import impose impress improve impulse inch
incline include increase indeed index indicate infant infect inflate inform inherit initial inject inner innocent insect insert inside insist inspire instant instead
instinct instruct insult intense intent interior intermediate interrupt intimate introduce invade invent invest involve iron isolate ivory jail jam jar jaw jealous jeans
jet jewel join joke journal journey joy juice jump jungle junior jury justice keen keep kick kid kill kind kiss knee kneel knock knot know labour lack lad lamb land lane
lap large laser last late laugh launch lawn layer lazy leaf leak lean leap learn leather lecture left leg legend lend length lens lesson liberty lick lid lie lift limb
limit lion lip liquid listen litter live liver loan lobby lonely long loose lord lose loud love low loyal luck lucky lunar lung luxury magic maid mail major male mammal
manage mankind mansion marble march margin marine mark marriage marsh mask mass massive master match mate mature maximum maybe mayor meadow mean medium melt mental
mention mercy merit merry mess metal midnight might mild military mill mind mineral minimum minister minor miracle miserable miss mist mistake mix mobile mode modest
moist moment monkey monster mood moon moral mosquito mother motion mount mouse mouth move mud multiple muscle mushroom music mutual mystery myth nail 
narrow nasty nation native nature naval neat neck negative neglect negotiate nephew nerve nest neutral never niece night nightmare noble nod noise normal north nose nowhere
nuclear nut oak obey oblige observe obtain obvious occasion occupy occur odd offend often olive omit onion opera opinion oppose option oral orbit orchestra organ origin
orphan outcome outer oven overcome owe oxygen oyster pace pain palace pale palm pan panic parade parallel parent park parliament particle party passion past path patient
patrol pause pay peace peak pear pearl peasant peculiar peel penalty perceive perfect perform perfume peril persist personal persuade pet phase phenomenon philosophy phrase
physics piano pie piece pig pigeon pile pin pinch pink pioneer pirate pit pity plain plant plead pleasant pleasure plot plough plug plunge pocket poem poet poison pole polish
polite political poll pollute pond pool poor portrait pose possess pot pottery pound pour poverty powder praise pray precious precise predict prefer pregnant prejudice prepare
prescribe preserve press pretend pretty prevent prey pride priest primary prince princess principle prior prison privilege probable proceed produce profession progress prohibit
promise promote prompt proper prosper protect protein protest proud prove province provoke psychology pub public pull pulse punch punish pupil puppet purchase pure purple
purpose pursue push puzzle quality quarrel queen queer quest quit quote rabbit race radical rage raid rail raise range rapid rare rat raw ray razor reach react ready real realm
rear rebel recall receive recent recipe reckon recover recruit reduce refer reflect reform refuge refuse regard region register regret regular reign reject relate relax relief
religion rely remain remark remedy remember remind remote render repeat replace reply represent reproduce reptile republic rescue resemble resent reside resign resist resolve
resort respect respond rest restrict retain retire retreat reveal revenge reverse revolt revolution reward rhythm rice rich rid ride rifle right rigid ring riot ripe rise ritual
rival roam roar roast rob robot rock roll romantic root rope rose rotten rough round royal rub rubber rubbish rude ruin rule rumour rural rush sack sacred sacrifice sad saddle
safe sail saint sake salt salute same satellite satisfy savage save scale scandal scar scare scatter scene scent scheme scholar scissors scold scope scorn scratch scream sculpture
seal search season secret seed seek seem seize seldom select self senate senior sense sensitive separate serious servant settle severe sew sex shade shadow shake shallow shame
shape shark sharp shave sheep sheer shell shelter shield shift shine shirt shiver shock shoe shoot short shoulder shout shove shovel shower shrink shut shy sick side sigh sight
silence silk silly similar simple sincere sink sister sit situation skeleton sketch ski skin skip skirt skull sky sleep sleeve slender slice slide slight slim slip slope
slow smart smash smell smile smooth snake snap sneak soak soap sober social soft soil solar sole solid solve sore sorrow sort soul sour south spare spark special species spectacle
speed spell spend sphere spice spill spin spirit spite splash splendid split spoil sponsor spoon spot spray spread squad square squeeze squirrel stable stain stake stale stamp stand
star stare start starve state statue stay steady steal steam steep steer stem step stern stick stiff still sting stir stock stomach stop storage stove straight strain strange strap
straw stream stress stretch strict strike string strip stroke structure struggle stubborn stuff stupid style subject submarine substance suburb succeed suck sudden suffer suggest
suit sum sun sunny super superb supper support suppose supreme surface surge surgeon surprise surrender surround survive suspect suspend swallow swamp swan swear sweat sweep
sweet swell swift swim swing sword symbol sympathy symptom syndrome syrup tackle tail tailor take tale talent talk tall tame tank tap tape target taste teach tear tease telescope
temper temple tempt tend tender tennis tense tent terrible territory terror testify thank thick thief thin thirst thorough thread threaten throat throne throw thumb thunder tide tidy
tie tight timber tin tiny tip tire tissue title toast tobacco toe tolerate tomb tongue tooth top torch toss total touch tough tourist toy trace track tradition tragedy trail traitor
transfer transform transport trap trash treasure treat treaty tree tremble trend triangle tribe trick trigger triumph tropical trouble trousers trunk trust truth try tube tumble tune
twin twist typical tyrant ugly ultimate uncle underground understand undo uniform union unique unit unite universe university unless upset urban urge urgent useful usual utility vague
vain valid valuable van vanish various vast vegetable vein velvet venture verb verse vessel veteran victim victory view village vintage violent virtue visible vision vital vivid
vocal volcano volume volunteer vowel voyage vulnerable wage wagon waist wait wake walk wall wander want war warm warn warrior wash waste weak wealth weapon wear weary weather weave
wedding weed weep weigh weird welcome welfare west wet whale wheat whip whisper whistle wicked wide widow wife wild win wine wing wipe wisdom wise witch withdraw witness wolf wonder
worry worship worth wound wrap wreck wrist wrong yacht yawn yell yield youth zebra zone""")
FRAG = W("""a e i o u y b c d f g h k l m n p r s t v w z th ch sh ph wh ck ng nk nt nd st str spr thr tch dge qu ea ee oo ou ow ai ay oi oy au aw ie ei igh ough eigh
tion sion ment ness able ible less ful ly er or ist ism ity ous ive al ial ic ance ence ant ent ing ed es est age ure ship hood dom ward wise ate ify ize en
re un in dis over under out mis pre pro con com ex sub inter trans super anti de be for fore en em ad ac ab per par mar car bar tar man ran tan can pan fan
mit rit lit bit fit sit tic lic nic ric ber der ger ker mer ner per ser ter ver wer land ford ton ham wood field burg stein berg son sen mann ski ova ez quist
light house water stone back book work time line side way day night board mail shop room head hand eye foot fire down up on off ville ster mouth port bridge
ell ill oll ull ass ess iss oss uss att ett itt ott app epp ipp opp ann enn inn onn arr err irr orr ump amp imp omp and end ind ond und ark erk irk ork urk
act ect ict uct eld ild old alt elt ilt olt ask esk isk usk aft eft ift oft ean ear eat eal oat oar oil ound ount out x z j v q bl br cl cr dr fl fr gl gr pl pr
sc sk sl sm sn sp sw tr tw wr""")
WEEK = W("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTH = W("January February March April May June July August September October November December")
NUMW = W("two three four five six seven eight nine ten twelve")
CONS, VOW, END = W("b c d f g h j k l m n p r s t v w z br ch cr dr gr kl pl pr sh sk st th tr"), W("a e i o u a e i o ai ea ou io"), W("n r s l k m t x nd rt ss th ck ng") + [""] * 12


def held(s):
    return zlib.crc32(s.encode()) % 8 == 0


class G:
    """A seeded source of words. ev=True draws names and made-up words from the held-out side only; wording=True draws
    sentence patterns and instructions from the held-out side, too."""

    def __init__(self, seed, ev=False, wording=False):
        self.r, self.ev, self.wording = random.Random(seed), ev, wording

    def chance(self, p):
        return self.r.random() < p

    def num(self, a, b):
        return self.r.randint(a, b)

    def pick(self, xs):
        """Any item of a list (no held-out side)."""
        return xs[self.r.randrange(len(xs))]

    def pat(self, xs):
        """A sentence pattern: held-out ones ("~...") for evaluation only."""
        good = [x for x in xs if x.startswith("~") == self.wording] or xs
        return self.pick(good).lstrip("~")

    def word(self, xs):
        """A listed word; the last eighth of the list is held out."""
        n = len(xs) - len(xs) // 8
        return xs[self.r.randrange(n, len(xs))] if self.ev else xs[self.r.randrange(n)]

    def synth(self, lo=2, hi=3):
        while True:
            n = self.num(lo, hi)
            if self.chance(0.5):
                s = "".join(self.pick(CONS) + self.pick(VOW) for _ in range(n)) + self.pick(END)
            else:  # fragments of English spelling: other token sequences than the syllables above
                s = "".join(self.pick(FRAG) for _ in range(n + self.num(0, 1)))
                if len(s) < 3:
                    continue
            if held(s) == self.ev:
                return s

    def accent(self, s):
        """Now and then a letter with an accent."""
        if self.chance(0.03) and not self.ev:
            i = self.num(1, len(s) - 1) if len(s) > 1 else 0
            m = {"a": "áäåãà", "e": "éèëêę", "i": "íïî", "o": "öóôøõ", "u": "üúû", "n": "ñń", "c": "çć", "s": "šśß", "l": "ł", "z": "žż"}
            if s[i] in m:
                return s[:i] + self.pick(m[s[i]]) + s[i + 1:]
        return s

    def anyword(self):
        return self.pick(BIG) if self.chance(0.75) else self.synth(1, 3)

    def first(self):
        x = self.accent(self.word(FIRST) if self.chance(0.65) else self.synth(1, 3).capitalize())
        return x + "-" + self.pick([self.word(FIRST), self.synth(1, 1)]) if self.chance(0.02) else x

    def last(self):
        x = self.accent(self.word(LAST) if self.chance(0.55) else self.synth(1, 3).capitalize())
        if self.chance(0.06):
            return self.pick(["O'", "Mc", "van ", "de ", "von ", "Mac", "El-", "da ", "van der ", "Di "]) + x
        return x + "-" + self.word(LAST) if self.chance(0.02) else x

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
        return self.accent(self.word(PLACES) if self.chance(0.6) else self.synth(2, 3).capitalize())

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
        return self.pick(MOD) if self.chance(0.82) else self.pick(COMMON) if self.chance(0.5) else self.synth(1, 3)

    def head(self):
        x = self.r.random()
        return self.pick(HEAD) if x < 0.7 else self.pick(COMMON) if x < 0.82 else self.pick(BIG) if x < 0.87 else self.pick(THING) if x < 0.92 else self.synth(2, 3)

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
