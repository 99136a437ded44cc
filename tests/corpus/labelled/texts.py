"""Honest texts in the forms that answers have, written for these tests. Each is whole and says nothing twice."""

ENGLISH = [
    "The photograph shows a narrow street after rain. Two bicycles lean against a yellow wall, and a cat sits on the "
    "step of the bakery. Above the door hangs a sign with a loaf of bread.",
    "A man in a green raincoat walks a small dog along the river. The water is high and brown, so the lower path is "
    "closed with a red fence. Far behind them, a bridge crosses to the old town.",
    "Three children build a tower of wooden blocks on a carpet. The oldest holds the last block above her head while "
    "the others watch with open mouths. It looks as if the tower will fall.",
    "This chart compares the rainfall of four cities. Bergen leads with 2250 mm a year, Lisbon follows with 774 mm, "
    "and Athens has only 402 mm. The fourth bar, for Oslo, lies between them at 802 mm.",
    "The receipt is from a hardware shop. It lists a hammer for 18.90, a box of nails for 4.25 and two brushes for "
    "3.10 each. The total of 29.35 was paid by card on 4 March.",
    "In the foreground, a chef cuts carrots on a steel table. Steam rises from a pot to his left. A row of copper pans "
    "hangs over the window, and somebody has written the menu of the day on the tiles.",
    "The diagram explains how a heat pump works. A fan pulls air over the evaporator, where the refrigerant boils. The "
    "compressor raises its pressure and temperature. In the condenser it gives its heat to the water of the house.",
    "No, the woman in the picture does not wear glasses. She holds a pair of binoculars, which could look like glasses "
    "from far away.",
    "There are five birds on the wire. Four of them look to the left; the smallest one, at the end, has turned around.",
    "To find the area, multiply the base by the height and halve the result. The base is 12 cm and the height 7 cm, "
    "which gives 84. Half of that is 42. The area is 42 square centimetres.",
    "The painting is probably Dutch and of the seventeenth century. Light falls from a window on the left, as in many "
    "interiors of that time. A letter lies open on the table, and a map covers most of the wall.",
    "Yes. The sign says that dogs must be kept on a lead between April and July, because birds nest in the dunes.",
    "The website has a dark header with a search field. Below it are three cards: one for news, one for prices and one "
    "for contact. The footer repeats the address and names the owner of the site.",
    "A pie chart divides the budget into rent, food, travel and savings. Rent takes the largest piece with 41 %. "
    "Savings are the smallest at 8 %.",
    "a brown horse standing in a field next to a wooden fence",
    "two women drinking tea at a small round table",
    "Red bicycle",
    "42",
    "The Eiffel Tower",
    "a plate of pasta with basil, tomatoes and a fork on the side",
    "1. Switch the machine off and let it cool.\n2. Unscrew the two bolts on the back plate.\n3. Pull the filter out "
    "towards you.\n4. Rinse it under warm water.\n5. Put everything together in reverse order.",
    "- flour, 500 g\n- warm water, 320 ml\n- salt, two teaspoons\n- dry yeast, one sachet",
    "| city | people |\n|---|---|\n| Turin | 847,000 |\n| Genoa | 558,000 |\n| Verona | 255,000 |",
    "```python\nimport numpy as np\n\nvalues = np.array([3, 1, 2])\nprint(values.sort())\n```",
    "def area(width, height):\n    return width * height",
    "$$E = \\frac{1}{2} m v^2$$",
    "\\frac{a+b}{c} = \\sqrt{d}",
    "OPEN DAILY\n9 AM - 6 PM\nCLOSED ON PUBLIC HOLIDAYS",
    "Invoice No. 20417\nDate: 12 May 2021\nBill to: Marta Olsen\nAmount due: 310.00 EUR",
    "The first image was taken in winter: the trees are bare and there is snow on the roof. In the second one the "
    "same house stands behind flowering shrubs. Somebody has painted the shutters in between.",
    "The cartoon plays with the word bank. A fisherman sits on the bank of a river, and beside him a clerk waits "
    "behind a desk for customers. The joke works only in English.",
    "I count seven chairs, but the table could seat eight. The missing one stands in the next room, where a boy "
    "reaches for a book on the upper shelf.",
    "The graph rises until 2008, drops for two years and then recovers slowly. It reaches its old level in 2015. The "
    "dashed line is a forecast and should be read with care.",
    "Her jacket is blue, his jacket is blue, and even the dog wears a blue coat. Only the baby is in yellow.",
    "The meter on the left reads 13.7 bar, the one in the middle 9.2 bar, and the one on the right 0.4 bar. The last "
    "value suggests a leak, so the pump should not be started.",
    "Polar bear on sea ice\nPhoto: K. Lindqvist\nAll rights reserved",
    "The recipe needs an hour. First the onions are cooked until they are soft. Then rice and stock are added a little "
    "at a time. At the end, stir in butter and cheese!",
    "Is the door open? It seems to be: a strip of light lies on the floor of the hall. The key is still in the lock.",
    "The player with number 10 has just kicked the ball. The keeper jumps to the wrong side. Behind the goal, people "
    "have already raised their arms...",
    "Dear neighbours,\n\nthe lift will be repaired on Tuesday. Please use the stairs between eight and noon.\n\nThank "
    "you for your patience.\n\nThe caretaker",
    "Each of the four seasons has its own panel. Spring shows a lamb, summer a field of wheat, autumn a basket of "
    "grapes, and winter an old man by the fire.",
    "The button in the upper right corner closes the window; the one beside it makes it smaller. To save your work, "
    "use the menu on the left.",
]

CHINESE = [
    "图中是一条雨后的小街。两辆自行车靠在黄色的墙边，一只猫坐在面包店门口的台阶上。门的上方挂着一块招牌。",
    "一位穿绿色雨衣的男士牵着小狗沿河散步。河水又高又浑，下面的小路已经用红色栏杆封住了。远处有一座桥通向老城。",
    "三个孩子在地毯上搭积木。最大的女孩举着最后一块，其他两个张着嘴看她。塔看起来马上就要倒了。",
    "这张图比较了四个城市的降雨量。卑尔根最多，每年约2250毫米；里斯本为774毫米；雅典只有402毫米。",
    "这是一张五金店的小票，上面有一把锤子、一盒钉子和两把刷子，总价是29.35元，用银行卡支付。",
    "厨师正在不锈钢台面上切胡萝卜，左边的锅冒着热气。窗户上方挂着一排铜锅，墙上写着今天的菜单。",
    "热泵的工作过程分为四步：风扇把空气吹过蒸发器，制冷剂沸腾；压缩机提高压力和温度；冷凝器把热量交给水；最后阀门降低压力。",
    "不是。照片里的女士没有戴眼镜，她手里拿的是望远镜，远看有点像眼镜。",
    "电线上有五只鸟。四只面向左边，最小的一只转过了身。",
    "先用底乘以高，再除以二。底是12厘米，高是7厘米，乘积是84，一半就是42。所以面积是42平方厘米。",
    "这幅画可能出自十七世纪的荷兰。光从左边的窗户照进来，桌上放着一封打开的信，墙上挂着一幅地图。",
    "可以带狗，但四月到七月必须拴绳，因为鸟类在沙丘里筑巢。",
    "一匹棕色的马站在木栅栏旁边的草地上",
    "红色自行车",
    "埃菲尔铁塔",
    "三",
    "1. 关闭机器并等待冷却。\n2. 拧下背板上的两颗螺丝。\n"
    "3. 把滤网朝自己方向拉出。\n4. 用温水冲洗。\n5. 按相反的顺序装好。",
    "营业时间\n上午九点至下午六点\n节假日休息",
    "姓名：王小兰\n日期：2021年5月12日\n金额：310元",
    "第一张照片拍于冬天，树是光秃秃的，屋顶上有积雪。第二张里同一座房子掩映在开花的灌木后面，百叶窗也重新刷过了。",
    "我数到七把椅子，不过桌子能坐八个人。缺的那一把在隔壁房间，一个男孩正踩着它去拿书。",
    "曲线在2008年之前一直上升，随后下降了两年，再慢慢恢复。虚线是预测，阅读时要谨慎。",
    "妈妈的外套是蓝色的，爸爸的外套也是蓝色的，连小狗都穿着蓝色的衣服，只有婴儿穿黄色。",
    "左边的压力表显示13.7巴，中间的是9.2巴，右边的只有0.4巴。最后这个数值说明可能漏气，不应启动水泵！",
    "门开着吗？好像是的：走廊的地上有一道光，钥匙还插在锁里。",
    "十号球员刚刚把球踢出去，守门员扑错了方向，球门后面的人已经举起了手……",
    "各位邻居：\n电梯将于周二检修，请在八点到十二点之间走楼梯。\n感谢您的理解。",
    "四幅小图代表四个季节：春天是羊羔，夏天是麦田，秋天是一篮葡萄，冬天是火炉旁的老人。",
    "右上角的按钮用来关闭窗口，旁边的按钮用来缩小窗口。如果想保存，请打开左侧的菜单。",
    "漫画里的老师问学生为什么迟到，学生指着窗外的大雪，没有说话。全班都笑了。",
]

# repeats that people write: a refrain, a list of one form, a table, laughter, lines of a form
HONEST_REPEATS = [
    "Row by row: the first seat is free, the second seat is taken, the third seat is free, the fourth seat is broken.",
    "Ha ha ha! That is a very good joke, and the face of the teacher makes it even better.",
    "The sign says STOP, the second sign says STOP as well, and the third one shows an arrow.",
    "10:05 Berlin platform 3\n10:20 Prague platform 4\n10:35 Vienna platform 3\n10:50 Basel platform 7",
    "yes\nno\nyes\nyes\nno",
    "for i in range(3):\n    for j in range(3):\n        total += grid[i][j]\nfor i in range(3):\n    print(total)",
    "Very, very old, and very, very slow, but it still runs.",
    "x = 1\ny = 2\nz = 3\nprint(x)\nprint(y)\nprint(z)",
    "The left bar is 3, the middle bar is 5, the right bar is 7, so the sum is 15 and the mean is 5.",
    "哈哈哈哈，这个笑话真好笑，老师的表情更好笑。",
    "第一行是红色，第二行是绿色，第三行是蓝色，第四行是黄色。",
    "左边一棵树，右边一棵树，中间一条路，路上没有人。",
    "是\n否\n是\n是",
    "====================\nMENU\n====================\nSoup 4.50\nSalad 6.00\nBread 2.00",
    "No. 1 wins, no. 2 loses, no. 3 wins, no. 4 loses, and nobody expected no. 5 to win in the end.",
    "天天向上，好好学习。天天练字，好好读书。",
    "........ see page 12\n........ see page 48",
    "1 2 3\n4 5 6\n7 8 9",
    "0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 1.00",
    "Monday: open. Tuesday: open. Wednesday: closed. Thursday: open. Friday: open. Saturday: open until noon. Sunday: "
    "closed.",
    "0000 1111 2222",
    "long long ago, in a land of snow, there lived a fox with a silver tail.",
]
