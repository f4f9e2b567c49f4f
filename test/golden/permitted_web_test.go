package golden

var web = []permitted{}
