package golden

var services = []permitted{}
