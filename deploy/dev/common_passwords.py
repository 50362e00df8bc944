"""Writes the bundled list of common passwords: what people choose first, put together from its few ingredients.

Usage: python deploy/dev/common_passwords.py > server/src/identry/core/passwords/common.txt

Ingredients: words people love (names, teams, animals, brands …), what they append to reach eight characters, walks over
the keyboard, years and dates, letter-for-digit spellings, Russian words typed on a Latin keyboard. Repetitions and
sequences ("aaaaaaaa", "12345678") are recognised by rule in `policy.py` and listed here as well, for readers.
"""

# ruff: noqa: SIM905 - words in running text are what a person can read and extend

from __future__ import annotations

import itertools
import sys

MIN_LENGTH = 8

# Words with which nearly every leaked list opens: they get every suffix and prefix.
TOP = """
password passwort passw0rd p@ssword p@ssw0rd pa55word pass passw qwerty azerty qwertz welcome letmein admin
administrator root login user test testing master monkey dragon abc abcd abc123 iloveyou sunshine princess football
baseball shadow superman batman michael jordan michelle jennifer jessica ashley daniel charlie thomas andrew hunter
trustno changeme default guest secret hello freedom whatever computer internet killer pokemon starwars ninja summer
winter spring autumn january february march april may june july august september october november december monday
tuesday wednesday thursday friday saturday sunday company office service system server backup oracle mysql postgres
temp temporary demo manager support cisco access google facebook linkedin twitter microsoft windows samsung apple
identry kisum lovely flower cheese soccer hockey ranger harley buster tigger pepper ginger joshua robert matthew
anthony nicole amanda chelsea arsenal liverpool barcelona juventus manchester newyork london paris berlin america
china india france germany england qwer asdf zxcv qaz wsx asd zxc aaa qwe love lover god jesus angel money
""".split()

NAMES = """
anastasia ekaterina yekaterina aleksandra alexandre dmitry evgeniy oksana lyudmila galina
aaron abigail adam adrian aidan alan albert alberto alejandro alex alexander alexandra alexis alice alicia allison
amelia amy ana andrea andreas andrei andrey angela angelina angelo anita anna anne annie antonio ariana arthur ashton
barbara beatrice benjamin bernard bianca brandon brenda brian brianna brittany bruno caleb cameron camille carlos
carmen carol carolina caroline catherine cecilia charles charlotte cheryl chloe chris christian christina christine
christopher claire claudia connor courtney crystal cristina cynthia daniela danielle david deborah denise dennis diana
diego dominic donald douglas dylan eduardo edward elena elizabeth ella emily emma enrique eric erica esther ethan
eugene evelyn fatima felipe fernanda fernando florence francesca francesco francis francisco frank franklin frederick
gabriel gabriela george gerald giovanni gloria gordon grace graham gregory hannah harold harrison harry heather helen
henry herbert howard isaac isabel isabella isabelle ivan jackson jacob jacqueline james jamie jasmine jason jeffrey
jeremy jerome jesse joanna johnny jonathan jorge jose joseph juan julia julian juliana julie justin karen katherine
kathleen katie keith kelly kenneth kevin kimberly kristen kristina larissa larry laura lauren lawrence leonard
leonardo leslie lillian linda lindsay lisa logan lorenzo louise lucas lucia luis luisa madison manuel marcel marcelo
marco marcus margaret maria mariana marie marina mario marisol mark martha martin martina mary mason mathew maurice
maxwell megan melanie melissa mercedes miguel miranda mitchell mohamed mohammed monica morgan muhammad nancy natalia
natalie natasha nathan nathaniel nicholas nicolas nikita nikolai oliver olivia oscar pamela patricia patrick paul
paula pedro peter philip phillip pierre priscilla rachel rafael ramon raymond rebecca renata ricardo richard roberta
roberto rodrigo roger roland roman ronald rosemary russell ruth ryan sabrina samantha samuel sandra santiago sarah
sasha scott sebastian sergey sergio sharon shirley silvia simon simone sofia sophia sophie spencer stefan stephanie
stephen steven stewart susan suzanne svetlana sylvia tamara tatiana taylor teresa theresa tiffany timothy travis
tristan tyler valentina valeria valerie vanessa veronica victor victoria vincent virginia vivian vladimir walter wendy
wesley william winston xavier yolanda yvonne zachary aleksandr ahmed ali arjun priya rahul rajesh sanjay deepak vijay
krishna ganesh sairam lakshmi aditya anjali ayesha hassan hussain ibrahim khalid mustafa mehmet fatma ayse nguyen linh
minh anh thanh huong putri dewi agus budi siti rizky takeshi yamada tanaka sakura wang zhang chen liu yang
""".split()

THINGS = """
airborne airplane alabama alaska alligator alpha amazing amsterdam anaconda anderson animal apollo applepie aquarius
arizona asshole assassin astros athena atlanta atlantis australia avalanche avatar babygirl badass badboy badger
bailey balloon banana bandit banshee basketball beautiful beaver beckham bigdaddy bigdick bigdog bigboy birthday
biscuit bitch blackcat blackjack bluebird blueberry blahblah blessed blessing blink182 blizzard blossom boomer boston
brasil bradley brazil bristol broncos brooklyn brother brownie bubbles buckeye budlight buddha buffalo bulldog
bulldogs bullshit bunny business butter buttercup butterfly cadillac california camaro camelot canada cancer candy
captain caramel cardinal cardinals carnival carpenter cartman castle catalina catherine celtic celtics champion chanel
charger charming cheeky cherokee cherry chester chevrolet chevy chicago chicken chocolate christ christmas cinderella
cinnamon classic cleopatra clever clover cobra cocacola coconut coffee colombia colorado columbia cookie cookies
cooper corvette cosmos cougar counter country cowboy cowboys coyote crazy creative cricket crimson cupcake dallas
dancer dancing danger darkness darkside darling daughter deadpool death defender denver destiny detroit devil diablo
diamond digital dinosaur disney doctor dodgers dolphin dolphins donkey doraemon dragonball dragons dreamer dreams
drummer eagles eclipse einstein electric elephant element emerald eminem energy engineer enigma enterprise eternal
eternity everest everton everything excalibur explorer extreme falcon falcons family fantasy father ferrari fender
fishing flamingo florida flowers fluffy forever fortnite fortuna freddy friend friends fucker fuckme fuckoff fuckyou
galaxy gameover gandalf gangster garden garfield gateway gemini general genesis genius georgia giants gladiator
godfather godzilla goldberg golden goldfish goliath goodluck gorgeous gothic grandma green greenday guardian guitar
gunner hacker hahaha hallo hamburg hamilton hammer hamster handsome happiness happy hardcore harmony hawaii heaven
hellfire hellokitty helpme hercules highland hollywood holiday homework honey hongkong horses hotdog hotmail hottie
houston hummer hunting iceman icecream iloveme iloveu imagine immortal impala indian indiana infinity inferno ireland
ironman island italia jackass jackie jaguar jamaica japan jasper jesuschrist john316 johnson joker junior jupiter
justice justme kangaroo karate katana kawasaki kennedy killers kingdom kingkong kitten kittycat knight korea lakers
lamborghini lasvegas leather legend leopard liberty lightning lincoln little lollipop lonely longhorn loveme loveyou
lovers lucifer lucky madison madonna madrid magic magnolia manchesterunited manutd marathon marijuana marines marlboro
marley marshall marvel matrix maverick maximus medicine memories mercury merlin metallica mexico mickey midnight
miller millenium million minecraft mischief missy mistress mohawk monster montana montreal moonlight morpheus mother
motorola mountain movies mozart muffin murphy music musicman mustang mylove myspace napoleon naruto nascar nathalie
naughty nemesis neptune netscape network newcastle newlife nightmare nintendo nirvana nissan nothing number1 office
onelove online orange orlando packers pakistan paladin pandora panther panthers paradise passion passport patience
patriot patriots peaches peanut pebbles pegasus penguin penguins people perfect phantom philips phoenix photos pikachu
pineapple pirate pirates pizza platinum playboy player playstation please poison polska pookie popcorn porsche
portugal precious predator preston prince princesa private professor prometheus psycho pumpkin punisher purple
pussycat python qwaszx rabbit raiders rainbow rangers raptor rebel redskins redsox remember renault renegade respect
revenge rocket rockstar roller romance romeo ronaldo rosebud runescape russia sailor saints salvador samurai sandman
saturn savage scarface scooby scooter scorpio scorpion scotland seattle security senha serenity seven sexy sexygirl
shalom shannon shelby sherlock shithead shorty sierra silver simple simpson simpsons singapore sister skater skippy
skyline skywalker slayer slipknot smile smiley smokey snickers snoopy snowball snowman soldier solomon something
sparky spartan special spider spiderman spirit spongebob sports squirrel stanley stargate startrek steelers stella
sterling storm strawberry student success sugar superstar surfer survivor suzuki sweet sweetheart sweetie sweetpea
swimming swordfish sydney teacher teddybear tennis tequila terminator texas thailand thanks thebest theking therock
thunder tiger tigers tinkerbell titanic tomcat toronto toyota travel treasure trinity triumph trooper trouble truelove
tucker turtle tweety twilight twinkle unicorn united universe valentine valhalla vampire vegeta venus viking vikings
violet viper virgin volcano volkswagen voyager warcraft warrior warriors watermelon webmaster whiskey wildcat wildcats
william wizard wolf wolverine wolverines wonderful woody wordpass world yamaha yankee yankees yellow zeppelin zombie
zxcvbnm contrasena contraseña motdepasse soleil bonjour doudou chouchou loulou marseille schatz hallo123 sommer
passwort ficken schalke04 ciao ciaociao amore amoremio juventus forzamilan napoli alessandro estrella teamo tequiero
mariposa corazon bonita hola realmadrid chivas america flamengo corinthians palmeiras saopaulo vasco santos gremio
brasil felicidade haslo polska kochanie misiek lol123 sayang bismillah alhamdulillah allah allahuakbar inshallah
istanbul galatasaray fenerbahce besiktas trabzon parola tatlim woaini aishiteru wachtwoord welkom hejsan losenord
salasana kittykat bluesky redwings chelseafc arsenalfc liverpoolfc mancity ncc1701 thx1138 bond007 agent007 area51
route66 catch22 blackberry nokia iphone android bitcoin ethereum crypto covid corona zoom netflix youtube instagram
tiktok snapchat roblox fortnite callofduty leagueoflegends valorant counterstrike chatgpt openai
""".split()

SUFFIXES = """
1 2 3 5 7 8 9 0 01 02 03 07 08 09 10 11 12 13 21 22 23 33 44 55 66 69 77 88 99 007 101 111 123 321 333 420 456 555 666
777 786 789 888 999 000 1234 4321 12345 54321 123456 1234567 12345678 123456789 ! !! !1 !123 @1 @12 @123 @1234 #1 #123
$1 $123 . 1! 12! 123! 1234! 12345! 01! 123@ 123# 1@ 1# ? * abc qwe aa xx s
""".split()
SHORT_SUFFIXES = "1 2 12 123 1234 12345 123456 01 11 23 99 ! @123".split()
YEARS = [str(year) for year in range(1960, 2031)]
RECENT = [str(year) for year in range(2010, 2031)]

WALKS = """
qwertyuiop qwertyui qwertyu qwerty asdfghjkl asdfghjk asdfghj asdfgh zxcvbnm zxcvbn poiuytrewq lkjhgfdsa mnbvcxz
1qaz2wsx 1qaz2wsx3edc 1qaz2wsx3edc4rfv 2wsx3edc 3edc4rfv 4rfv5tgb qazwsx qazwsxedc qazwsxedcrfv wsxedc qweasd
qweasdzxc qwerasdf asdfzxcv qwaszx zaq12wsx zaq1xsw2 xsw2zaq1 cde3xsw2 1qazxsw2 zaqxswcde qazxsw qazxswedc 1q2w3e4r
1q2w3e4r5t 1q2w3e4r5t6y 1q2w3e4r5t6y7u q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 q2w3e4r5 1q2w3e 1a2b3c4d a1b2c3d4 a1b2c3d4e5
1a2s3d4f a1s2d3f4 z1x2c3v4 1z2x3c4v qwer1234 1234qwer qwert12345 12345qwert qwerty12 qwerty123 qwerty1234 qwerty12345
qwerty123456 123qwe 123qweasd 123qweasdzxc 123qwe123 qwe123qwe qweqwe123 asd123asd asdasd123 asdf1234 1234asdf
asdfasdf asdf;lkj zxcv1234 1234zxcv zxcvzxcv zxczxczxc asdasdasd qweqweqwe qazqazqaz wsxwsxwsx abcd1234 1234abcd
abcde12345 12345abcde abc12345 12345abc abc123456 123456abc abc123abc 123abc123 a1234567 a12345678 a123456789 1234567a
12345678a 123456789a 123456789q q123456789 q1234567 q12345678 1234567q 12345678q z1234567 123456aa aa123456 aa12345678
123456qq qq123456 123456ab ab123456 as123456 123456as qw123456 123456qw zx123456 123456789z 1234567890q 123456789abc
qwertz123 qwertzuiop qwertzui azertyuiop azertyui azerty123 yxcvbnm123 azertyuiop123 qsdfghjklm wxcvbn123 q1q1q1q1
1q1q1q1q 1qa2ws3ed qaz2wsx3 qaz123wsx qazwsx123 123qazwsx qwe123asd zxc123zxc asd123qwe !qaz2wsx !qaz@wsx 1qaz@wsx
zaq!2wsx !@#$%^&* !@#$%^&*( !@#$%^&*() 1!2@3#4$ 1234!@#$ !@#$1234 qwer!@#$ p0o9i8u7 0p9o8i7u mko09ijn bhu89ijn
nji90okm mnbvcxzlkj qpwoeiru qpalzmwo zmxncbva alskdjfh asdfqwer qwerqwer dfghjkl; tyuiop123 fghjkl123 1123581321
q1w2e3r4t
""".split()

DIGITS = """
12345678 123456789 1234567890 0123456789 0987654321 987654321 9876543210 87654321 12341234 123123123 123412345
112233445566 11223344 1122334455 44332211 12121212 121212121 13131313 123321123 12344321 1234554321 123454321
12345654321 123456654321 147258369 147852369 1472583690 789456123 741852963 963852741 321654987 159753456 159357258
147896325 258456789 123654789 987456321 963258741 789654123 456123789 159263487 14725836 25802580 36925814 123698745
14789632 147896321 78945612 10203040 1020304050 102030405060 01020304 0102030405 01234567 01230123 10101010 20202020
12345687 12345679 123456788 1234567891 12345678910 1234567899 1234567887 123456780 1234512345 12345612 123456123456
12312312 123123456 321321321 456456456 789789789 147147147 258258258 369369369 159159159 753753753 159951159 24682468
13579246 1357924680 135792468 2468013579 246813579 24681357 0246813579 1029384756 192837465 019283746 31415926
314159265 3141592653 31415927 27182818 271828182 11235813 112358132 1123581321 11112222 22221111 11113333 12131415
1213141516 121314151 98765432 98765410 9999999999 0000000000 1111111111 11223300 10021002 20012001 19871987 12211221
21122112 45454545 69696969 420420420 18181818 19191919 14141414 15151515 16161616 17171717 52525252 23232323 32323232
25252525 51505150 86753090 8675309a 12369874 123578951 741258963 852456852 951753852 753951456 159487263 4815162342
48151623 07070707 01010101 00112233 0011223344 99887766 9988776655 998877665544 5544332211 66778899 55667788 12365478
123456987 123789456 12378945 456789123 45678912 78912345 67896789 56785678 34563456 23452345 45674567 12348765
43211234 56781234 12340987 098765432 90123456 112211221 10011001 19951995 99998888 20102010 19991999 20002000
12345678987 123456787654321 1231234123 12341234123 13467985 134679852 13467946 852963741 785412369 54325432 54321678
543216789 12321232 321123321 112112112 119119119 911911911
""".split()

RUSSIAN = """
пароль привет любовь наташа максим андрей марина светлана екатерина анастасия кристина александр александра татьяна
сергей дмитрий владимир виктория николай ирина юлия оксана валентина людмила вероника солнышко спартак зенит россия
москва конфетка котенок зайчик малышка красотка счастье любимая любимый бабушка дедушка мамочка папочка маринка
наташка сашенька настенька собака кошка тигренок дракон самолет компьютер клавиатура администратор секрет
приветик любовник зайчонок мурзик барсик
""".split()
LAYOUT = dict(zip("йцукенгшщзхъфывапролджэячсмитьбюё", "qwertyuiop[]asdfghjkl;'zxcvbnm,.`", strict=True))

PHRASES = """
iloveyou1 iloveyou2 iloveyou! iloveyou3 iloveyou12 iloveyou123 iloveyousomuch iloveyoubaby ilovemyself ilovemymom
ilovemyfamily ilovejesus ilovegod iloveyouforever loveyou123 loveme123 lovelove lovely123 letmein1 letmein2 letmein123
letmeinnow openup123 opensesame pleaseletmein changeme1 changeme123 changeit nopassword mypassword mypass123
newpassword yourpassword thispassword password1password passwordpassword ihateyou ihateyou1 ilikepie fuckyou1 fuckyou2
fuckyou123 fuckthis fuckfuck suckmydick motherfucker whatthefuck whatthehell whoareyou whocares helloworld hello1234
hellohello hello12345 goodmorning goodnight goodgirl goodboys happyday happy123 happybirthday welcome1 welcome2
welcome123 welcome12 welcomehome welcome@123 admin123 admin1234 admin12345 admin123456 adminadmin admin@123 admin888
adminpassword root1234 rootroot root123456 toortoor test1234 test12345 test123456 testtest testtest123 testpassword
tester123 testuser guest123 user1234 user12345 useruser login123 demo1234 demodemo default1 system32 manager1
superuser superadmin supervisor administrator1 sysadmin webadmin operator letmein! trustno1 trustme1 trustnoone
trustn01 iamtheone iamgod123 jesuschrist jesuslovesme jesusislord jesussaves godisgood godislove godbless godblessyou
blessed1 thankyou thankgod believe1 hailmary nothing1 nothingelse dontknow idontknow idontcare forgotten remember1
blink182 number1 numberone onetwothree onetwo12 justdoit keepout1 supersecret topsecret secret123 secret12 computer1
internet1 starwars1 harrypotter lordoftherings correcthorsebatterystaple correcthorse qwertyqwerty asdfjkl; asdfjkl1
passpass pass1234 pass12345 pass123456 pass@123 pass@word pass@word1 p@ssword1 p@ssw0rd1 p@ssw0rd! p@ssw0rd123
passw0rd1 passw0rd123 passw0rd! p@55w0rd pa$$word pa$$w0rd pa$$word1 pa55word1 pa55w0rd password! password? password.
password@ password@1 password@123 password#1 password01 password02 password1! password12 password12! password123!
passwords password-1 password_1 drowssap drowssap1 1password 123password 1234password 12345password mypassword1
mypassword123 passwordabc passwort1 passwort123 secret1234 zaq12wsx1 sexsexsex sexygirl1 hotgirls bigtits1 porn1234
pornstar pussy123 asshole1 bitch123 badboy123 baller23 jordan23 michael1 kobe24la lebron23 messi10barca ronaldo7
cristiano7 cr7cr7cr7 beckham7 gerrard8 tomcat14 eagles123 raiders1 steelers1 cowboys1 yankees1 redsox04 packers1
lakers24 chicago1 newyork1 brooklyn1 mustang1 corvette1 camaro69 harley01 yamahar1 yamaha123 suzuki123 honda123
bmw12345 ferrari1 porsche911 mercedes1 toyota123 cocacola1 pepsi123 nokia123 samsung1 samsung123 iphone123 lenovo123
asus1234 acer1234 dell1234 cisco123 oracle123 mysql123 raspberry ubnt1234 changeme! billabong quiksilver spongebob1
hellokitty1 pokemon123 naruto123 minecraft1 dragonballz supersaiyan gokussj4 kamehameha mamapapa mama1234 papa1234
mamamia1 babyboy1 babygirl1 babydoll1 sweet123 sweety123 sunshine1 princess1 princess123 butterfly1 chocolate1
strawberry1 football1 football12 baseball1 basketball1 softball1 volleyball soccer12 soccer123 monkey12 monkey123
dragon12 dragon123 shadow123 master123 superman1 batman123 spiderman1 killer123 charlie1 charlie2
""".split()

LEET = str.maketrans({"a": "@", "o": "0", "e": "3", "i": "1", "s": "$"})
LEET_DIGITS = str.maketrans({"a": "4", "o": "0", "e": "3", "i": "1", "s": "5"})


def variants(word: str) -> set[str]:
    """A word as people disguise it."""
    return {word, word.translate(LEET), word.translate(LEET_DIGITS), word.replace("o", "0"), word.replace("a", "@")}


def entries() -> set[str]:
    """Every password of the list, folded."""
    found = {*WALKS, *DIGITS, *PHRASES, *THINGS, *NAMES, *TOP}
    for word in TOP:
        found |= {word + word, word + word + word, word[::-1]}
        found |= variants(word)
        found |= {spelled + suffix for spelled in {word, word.replace("o", "0")} for suffix in SUFFIXES}
        found |= {word + year + mark for year in RECENT for mark in ("", "!")}
        found |= {word + "@" + year for year in RECENT} | {"1" + word, "12" + word, "123" + word, "1234" + word}
    for word in itertools.chain(NAMES, THINGS):
        found |= {word + suffix for suffix in SHORT_SUFFIXES} | {word + word, word[:8]}
    for walk in WALKS:
        found |= {walk + "1", walk + "!", walk + "123", walk + "12", walk[::-1]}
    for word in RUSSIAN:
        typed = "".join(LAYOUT[letter] for letter in word)
        found |= {spelled + suffix for spelled in (word, typed) for suffix in ("", "1", "12", "123", "1234")}
        found.add(typed + typed)
    for unit in itertools.chain(map(str, range(10)), "abcdefghijklmnopqrstuvwxyz"):
        found |= {unit * length for length in range(8, 13)}
    for year in YEARS:
        found |= {year + year, f"01{'01'}{year}", f"3112{year}", f"2512{year}", f"1004{year}"}
    for first, second in itertools.product(range(100), repeat=2):  # abab… and aabb… digit patterns
        if first % 11 == 0 and second % 11 == 0:
            found.add(f"{first:02d}{second:02d}" * 2)
            found.add(f"{first:02d}" * 2 + f"{second:02d}" * 2)
    return {folded for entry in found if len(folded := entry.casefold()) >= MIN_LENGTH}


def main() -> None:
    """Write the list, sorted, one a line."""
    sys.stdout.write(
        "#! Common passwords of at least 8 characters, case-folded. Made by deploy/dev/common_passwords.py.\n"
    )
    sys.stdout.writelines(entry + "\n" for entry in sorted(entries()))


if __name__ == "__main__":
    main()
