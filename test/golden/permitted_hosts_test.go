package golden

var hosts = []permitted{}
